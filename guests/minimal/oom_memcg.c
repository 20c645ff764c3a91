// SPDX-License-Identifier: MIT
/*
 * oom-memcg: out-of-memory kills by memory cgroups whose victims the kernel thread
 * oom_reaper really reaps. Left alone, a victim is gone long before the reaper comes, 2 s
 * after the kill; so a supervisor holds each at its exit stop until the reap is seen. The
 * victims of a round die side by side, each in a cgroup of its own, because within one
 * cgroup the kernel kills nobody else while a victim is dying.
 */
#include "doomed.h"
#include "files.h"
#include "notifiers.h"
#include "owner.h"
#include "programs.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define VICTIMS 3
/* What a round takes at least: the reaper's delay. */
#define ROUND_NS 2200000000u

static void condemn(struct doomed *doomed, unsigned index, uint64_t *random,
		    const struct workload *workload)
{
	unsigned long limit_mib = workload->memory_mib / VICTIMS;
	struct owner owner = {
		.bytes = MIB,
		.notifiers = 1 + (unsigned)random_below(random, 3),
		.appetite = 2 * limit_mib * MIB,
	};
	struct victim_life life = {
		.prepare = owner_prepare,
		.provoke = owner_provoke,
		.context = &owner,
	};
	char name[32];

	snprintf(name, sizeof(name), "victim-%u", index);
	doomed_start(doomed, name, 1024 * (limit_mib / 2 + 1 + random_below(random, limit_mib / 2)),
		     &life);
}

static void kill_round(uint64_t *random, const struct workload *workload)
{
	static struct doomed all[VICTIMS];

	for (unsigned i = 0; i < VICTIMS; i++)
		condemn(&all[i], i, random, workload);
	for (unsigned i = 0; i < VICTIMS; i++)
		doomed_release(&all[i]);
	for (unsigned i = 0; i < VICTIMS; i++)
		doomed_finish(&all[i], workload->reap_timeout_ms);
}

int oom_memcg_main(int argc, char **argv)
{
	struct workload workload = { .name = "oom-memcg",
				     .duration_ms = 2000,
				     .memory_mib = 48,
				     .reap_timeout_ms = 30000 };
	uint64_t random, before, callbacks, kills = 0;

	workload_start(&workload, argc, argv);
	random = random_stream(workload.seed, 0);
	close(notifiers_open());
	before = notifiers_count("hlist_start_oom_reaper");
	do {
		kill_round(&random, &workload);
		kills += VICTIMS;
	} while (monotonic_ns() + ROUND_NS < workload.end_ns);

	callbacks = notifiers_count("hlist_start_oom_reaper") - before;
	printf("done kills %" PRIu64 " callbacks by oom_reaper %" PRIu64 "\n", kills, callbacks);
	if (callbacks == 0) {
		errno = 0;
		workload_fail("the OOM reaper ran no callback");
	}
	return 0;
}
