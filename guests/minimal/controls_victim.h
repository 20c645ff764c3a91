/* SPDX-License-Identifier: MIT */
/* The life of a victim with an armed notifier on it, first in line for the OOM killer. */
#ifndef SPLAT_CONTROLS_VICTIM_H
#define SPLAT_CONTROLS_VICTIM_H

#include "controls.h"
#include "victim.h"

struct armed {
	const struct control *control;
	size_t appetite; /* bytes it touches when provoked; it then waits for what comes */
};

/* For victim_start(); armed must outlive that call. */
struct victim_life armed_life(const struct armed *armed);

#endif
