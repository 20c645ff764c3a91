// SPDX-License-Identifier: MIT
/*
 * oom-memcg: out-of-memory kills by memory cgroups whose victims the kernel thread
 * oom_reaper really reaps. Left alone, a victim is gone long before the reaper comes, 2 s
 * after the kill; so a supervisor holds each at its exit stop until the reap is seen. The
 * victims of a round die side by side, each in a cgroup of its own, because within one
 * cgroup the kernel kills nobody else while a victim is dying.
 */
#include "cgroup.h"
#include "files.h"
#include "notifiers.h"
#include "owner.h"
#include "programs.h"
#include "random.h"
#include "victim.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define VICTIMS 3
/* What a round takes at least: the reaper's delay. */
#define ROUND_NS 2200000000u

struct condemned {
	struct victim victim;
	char cgroup[PATH_MAX];
	unsigned long limit_kib;
};

static void make_cgroup(struct condemned *condemned, const char *parent, unsigned index)
{
	char limit[32];

	snprintf(condemned->cgroup, sizeof(condemned->cgroup), "%.*s/victim-%u",
		 PATH_MAX - 32, parent, index);
	snprintf(limit, sizeof(limit), "%luK", condemned->limit_kib);
	rmdir(condemned->cgroup);
	if (mkdir(condemned->cgroup, 0755) < 0)
		workload_fail("make %s", condemned->cgroup);
	if (!cgroup_write(condemned->cgroup, "memory.max", limit))
		workload_fail("limit the memory of %s", condemned->cgroup);
	/* Absent where the kernel accounts no swap; then there is none to deny. */
	if (!cgroup_write(condemned->cgroup, "memory.swap.max", "0") && errno != ENOENT)
		workload_fail("deny swap to %s", condemned->cgroup);
}

static void condemn(struct condemned *condemned, const char *parent, unsigned index,
		    uint64_t *random, const struct workload *workload)
{
	unsigned long limit_mib = workload->memory_mib / VICTIMS;
	struct owner owner = {
		.bytes = MIB,
		.notifiers = 1 + (unsigned)random_below(random, 3),
		.appetite = 2 * limit_mib * MIB,
	};
	struct victim_life life = {
		.cgroup = condemned->cgroup,
		.prepare = owner_prepare,
		.provoke = owner_provoke,
		.context = &owner,
	};

	condemned->limit_kib = 1024 * (limit_mib / 2 + 1 + random_below(random, limit_mib / 2));
	make_cgroup(condemned, parent, index);
	victim_start(&condemned->victim, &life);
	victim_trace(&condemned->victim);
}

/*
 * The victim's memory is the evidence per victim. It need not read 0: since Linux 6.2 the
 * counter is a sum over CPUs that may be off by some pages.
 */
static void wait_for_reap(const struct condemned *condemned, unsigned long timeout_ms)
{
	uint64_t end_ns = monotonic_ns() + timeout_ms * 1000000u;

	while (victim_anonymous_kib(&condemned->victim) > condemned->limit_kib / 4) {
		if (monotonic_ns() > end_ns) {
			errno = 0;
			workload_fail("the OOM reaper left a victim alone for %lu ms", timeout_ms);
		}
		pause_ms(20);
	}
}

static void kill_round(const char *parent, uint64_t *random, const struct workload *workload)
{
	struct condemned all[VICTIMS];

	for (unsigned i = 0; i < VICTIMS; i++)
		condemn(&all[i], parent, i, random, workload);
	for (unsigned i = 0; i < VICTIMS; i++)
		victim_release(&all[i].victim);
	for (unsigned i = 0; i < VICTIMS; i++)
		if (!victim_wait_exit_stop(&all[i].victim)) {
			errno = 0;
			workload_fail("a victim exited without an OOM kill");
		}
	for (unsigned i = 0; i < VICTIMS; i++)
		wait_for_reap(&all[i], workload->reap_timeout_ms);
	for (unsigned i = 0; i < VICTIMS; i++) {
		victim_bury(&all[i].victim);
		if (rmdir(all[i].cgroup) < 0)
			workload_fail("remove %s", all[i].cgroup);
	}
}

int oom_memcg_main(int argc, char **argv)
{
	struct workload workload = { .name = "oom-memcg",
				     .duration_ms = 2000,
				     .memory_mib = 48,
				     .reap_timeout_ms = 30000 };
	char parent[PATH_MAX];
	uint64_t random, before, callbacks, kills = 0;

	workload_start(&workload, argc, argv);
	random = random_stream(workload.seed, 0);
	close(notifiers_open());
	if (!cgroup_parent(parent, sizeof(parent)))
		workload_skip("no cgroup v2 on " CGROUP_ROOT);
	before = notifiers_count("hlist_start_oom_reaper");
	do {
		kill_round(parent, &random, &workload);
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
