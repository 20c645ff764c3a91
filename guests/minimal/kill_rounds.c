// SPDX-License-Identifier: MIT
#include "kill_rounds.h"

#include "files.h"
#include "notifiers.h"
#include "random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* The least time of a round, because the reaper waits 2 s. */
#define ROUND_NS 2250000000u

void kill_until_end(const struct workload *workload, kill_round *round)
{
	uint64_t random = random_stream(workload->seed, 0);
	uint64_t before, callbacks, kills = 0;

	close(notifiers_open());
	before = notifiers_count("hlist_start_oom_reaper");
	do
		kills += round(&random, workload);
	while (monotonic_ns() + ROUND_NS < workload->end_ns || workload_goal_is_open(workload));
	callbacks = notifiers_count("hlist_start_oom_reaper") - before;
	printf("done kills %" PRIu64 " callbacks by oom_reaper %" PRIu64 "\n", kills, callbacks);
	errno = 0;
	if (callbacks == 0)
		workload_fail("the OOM reaper ran no callback");
}
