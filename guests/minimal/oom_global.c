// SPDX-License-Identifier: MIT
/*
 * oom-global: the whole guest runs out of memory and swap, the kernel kills, and the oom_reaper
 * takes the victim's memory through its notifiers while the victim is held at its exit stop.
 * There is one victim at a time, because the kernel kills nobody else while one is dying. The
 * OOM killer prefers the victim, so that it kills neither this supervisor nor anything else;
 * the agent is exempt. The victim may use swap, because the kernel does not kill while it can
 * swap out.
 */
#include "kill_rounds.h"
#include "memory.h"
#include "owner.h"
#include "program.h"
#include "random.h"
#include "swap.h"
#include "victim.h"
#include "workload.h"

#include <unistd.h>

#define SWAP_BYTES (4 * MIB)

static unsigned run_out_once(uint64_t *random, const struct workload *workload)
{
	size_t room = workload->memory_mib * MIB;
	struct owner owner = {
		.bytes = (1 + random_below(random, 4)) * MIB,
		.notifiers = 1 + (unsigned)random_below(random, 3),
		.appetite = 2 * room + SWAP_BYTES,
	};
	struct victim_life life = {
		.preferred = true,
		.prepare = owner_prepare,
		.provoke = owner_provoke,
		.context = &owner,
	};
	struct victim victim;

	victim_start(&victim, &life);
	victim_trace(&victim);
	memory_squeeze(room);
	victim_release(&victim);
	victim_await_exit_stop(&victim);
	victim_await_reaper(&victim, workload->reap_timeout_ms);
	memory_relax();
	victim_bury(&victim);
	return 1;
}

static int oom_global_main(int argc, char **argv)
{
	struct workload workload = { .name = "oom-global",
				     .duration_ms = 2000,
				     .memory_mib = 16,
				     .reap_timeout_ms = 30000 };

	workload_start(&workload, argc, argv);
	if (access(SWAP_DEVICE, F_OK) < 0)
		workload_skip("no " SWAP_DEVICE " to swap to");
	if (!swap_limit(SWAP_DEVICE, SWAP_BYTES))
		workload_fail("make the swap on " SWAP_DEVICE " smaller");
	kill_until_end(&workload, run_out_once);
	return 0;
}

PROGRAM("oom-global", oom_global_main);
