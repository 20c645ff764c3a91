/* SPDX-License-Identifier: MIT */
/* A victim (victim.h) with an armed notifier on it: traced, first in line for the OOM killer. */
#ifndef SPLAT_CONTROLS_VICTIM_H
#define SPLAT_CONTROLS_VICTIM_H

#include "controls.h"
#include "victim.h"

struct condemned_plan {
	const struct control *control;
	const char *cgroup; /* NULL: its parent's */
	unsigned percent;   /* of the guest's memory, eaten after victim_release() */
};

/* Starts one and waits until its mirror is in place. Exits on failure. */
struct victim condemn(const struct condemned_plan *plan);

/* Waits for its death; it stays at its exit stop until victim_bury(). Exits if it got away. */
void await_exit_stop(const struct victim *victim);

#endif
