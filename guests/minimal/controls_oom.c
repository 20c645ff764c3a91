// SPDX-License-Identifier: MIT
/*
 * Triggers that need the oom_reaper. It comes 2 s after the kill, so the victim is held at its
 * exit stop until it is done.
 */
#include "controls_victim.h"
#include "doomed.h"

#define LIMIT_KIB (16ul << 10)

/* An OOM kill by this limit, then the reaper. */
static void die_of_memory(const struct control *control, unsigned long limit_kib)
{
	struct armed armed = { .control = control, .appetite = 2 * installed_memory() };
	struct victim_life life = armed_life(&armed);
	struct doomed doomed;

	doomed_start(&doomed, "control", limit_kib, &life);
	doomed_release(&doomed);
	doomed_finish(&doomed, control->timeout_ms);
}

void trigger_oom_memcg(const struct control *control)
{
	die_of_memory(control, LIMIT_KIB);
}

void trigger_oom_global(const struct control *control)
{
	die_of_memory(control, DOOMED_NO_LIMIT);
}
