// SPDX-License-Identifier: MIT
/*
 * oom-global: the guest as a whole runs out of memory and of swap, the kernel kills, and the
 * oom_reaper takes the victim's memory through its notifiers while it is held at its exit stop.
 * One victim at a time: while one is dying the kernel kills nobody else. It is preferred, so that
 * neither this supervisor nor anything else of the guest has to go; the agent is exempt. Nothing
 * denies it swap: the kernel does not kill while there is swap left to reclaim to.
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
