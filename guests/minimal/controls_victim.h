/* SPDX-License-Identifier: MIT */
/* The life of a victim that has an armed notifier, and that the OOM killer prefers. */
#ifndef SPLAT_CONTROLS_VICTIM_H
#define SPLAT_CONTROLS_VICTIM_H

#include "controls.h"
#include "victim.h"

struct armed {
	const struct control *control;
	size_t appetite; /* bytes that it touches when provoked; then it waits to be killed */
};

/* The life of such a victim, for victim_start(). `armed` must exist until that call returns. */
struct victim_life armed_life(const struct armed *armed);

#endif
