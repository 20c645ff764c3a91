// SPDX-License-Identifier: MIT
/*
 * oom-memcg: out-of-memory kills by memory cgroups, whose victims are really reaped by the
 * kernel thread oom_reaper. Without help, a victim is gone long before the reaper comes, 2 s
 * after the kill, so a supervisor holds each victim at its exit stop until it is reaped. The
 * victims of a round die at the same time, each in a cgroup of its own, because within one
 * cgroup the kernel kills nobody else while a victim is dying.
 */
#include "doomed.h"
#include "kill_rounds.h"
#include "owner.h"
#include "program.h"
#include "random.h"
#include "workload.h"

#include <stdio.h>

#define VICTIMS 3

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

static unsigned kill_side_by_side(uint64_t *random, const struct workload *workload)
{
	static struct doomed all[VICTIMS];

	for (unsigned i = 0; i < VICTIMS; i++)
		condemn(&all[i], i, random, workload);
	for (unsigned i = 0; i < VICTIMS; i++)
		doomed_release(&all[i]);
	for (unsigned i = 0; i < VICTIMS; i++)
		doomed_finish(&all[i], workload->reap_timeout_ms);
	return VICTIMS;
}

static int oom_memcg_main(int argc, char **argv)
{
	struct workload workload = { .name = "oom-memcg",
				     .duration_ms = 2000,
				     .memory_mib = 48,
				     .reap_timeout_ms = 30000 };

	workload_start(&workload, argc, argv);
	kill_until_end(&workload, kill_side_by_side);
	return 0;
}

PROGRAM("oom-memcg", oom_memcg_main);
