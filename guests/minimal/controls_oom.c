// SPDX-License-Identifier: MIT
/*
 * Triggers that need the oom_reaper. It comes 2 s after the kill, so the victim is held at its
 * exit stop until the oom_reaper is done.
 */
#include "controls_victim.h"
#include "doomed.h"
#include "memory.h"
#include "workload.h"

#define LIMIT_KIB (16ul << 10)
#define ROOM_BYTES (16 * MIB)

void trigger_oom_memcg(const struct control *control)
{
	struct armed armed = { .control = control, .appetite = 2 * LIMIT_KIB * 1024 };
	struct victim_life life = armed_life(&armed);
	struct doomed doomed;

	doomed_start(&doomed, "control", LIMIT_KIB, &life);
	doomed_release(&doomed);
	doomed_finish(&doomed, control->timeout_ms);
}

void trigger_oom_global(const struct control *control)
{
	struct armed armed = { .control = control, .appetite = 2 * ROOM_BYTES };
	struct victim_life life = armed_life(&armed);
	struct doomed doomed;

	doomed_start(&doomed, "control", DOOMED_NO_LIMIT, &life);
	memory_squeeze(ROOM_BYTES);
	doomed_release(&doomed);
	doomed_finish(&doomed, control->timeout_ms);
	memory_relax();
}
