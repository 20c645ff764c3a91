// SPDX-License-Identifier: MIT
#include "controls_victim.h"

#include "memory.h"
#include "workload.h"

#include <sys/mman.h>

static void prepare(const void *context)
{
	const struct armed *armed = context;
	struct mirror mirror = mirror_begin(armed->control);

	/*
	 * Moves the pages to the end of the list from which reclaim takes; EINVAL before Linux
	 * 5.4.
	 */
	madvise(mirror.memory, armed->control->bytes, MADV_COLD);
}

static void provoke(const void *context)
{
	const struct armed *armed = context;

	eat_memory(armed->appetite);
	pause_ms(armed->control->timeout_ms);
}

struct victim_life armed_life(const struct armed *armed)
{
	return (struct victim_life){
		.preferred = true,
		.prepare = prepare,
		.provoke = provoke,
		.context = armed,
	};
}
