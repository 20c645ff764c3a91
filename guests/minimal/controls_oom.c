// SPDX-License-Identifier: MIT
/*
 * Triggers that need the oom_reaper. It comes 2 s after the kill, so the victim is held at its
 * exit stop until it is done.
 */
#include "cgroup.h"
#include "controls_victim.h"
#include "files.h"
#include "workload.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Waits until the oom_reaper is done with a victim that is held at its exit stop, reaped or given up. That is when
 * it no longer counts for the OOM killer (MMF_OOM_SKIP), which the kernel shows as a score of 0.
 */
static void await_reaper(const struct victim *victim, unsigned long timeout_ms)
{
	uint64_t end_ns = monotonic_ns() + timeout_ms * 1000000u;
	char path[64], score[32];

	snprintf(path, sizeof(path), "/proc/%d/oom_score", victim->pid);
	do {
		errno = 0;
		if (monotonic_ns() > end_ns)
			workload_fail("the OOM reaper did not come for %lu ms", timeout_ms);
		pause_ms(5);
		if (!read_file(path, score, sizeof(score)))
			workload_fail("read %s", path);
	} while (strcmp(score, "0") != 0);
}

/* A cgroup of our own, empty. Without swap, so that what is eaten stays and the limit is reached. */
static void make_cgroup(char *path, size_t size, const char *limit)
{
	char parent[PATH_MAX];

	if (!cgroup_parent(parent, sizeof(parent)))
		workload_skip("no cgroup v2 on " CGROUP_ROOT);
	if ((size_t)snprintf(path, size, "%s/control", parent) >= size)
		workload_fail("a path longer than %zu: %s", size, parent);
	rmdir(path);
	if (mkdir(path, 0755) < 0)
		workload_fail("make %s", path);
	if (!cgroup_write(path, "memory.max", limit))
		workload_fail("limit the memory of %s", path);
	/* Absent without swap accounting. */
	if (!cgroup_write(path, "memory.swap.max", "0") && errno != ENOENT)
		workload_fail("deny swap to %s", path);
}

/* An OOM kill by this limit, then the reaper. */
static void die_of_memory(const struct control *control, const char *limit)
{
	struct victim victim;
	char cgroup[PATH_MAX];

	make_cgroup(cgroup, sizeof(cgroup), limit);
	victim = condemn(&(struct condemned_plan){ .control = control, .cgroup = cgroup, .percent = 200 });
	victim_release(&victim);
	await_exit_stop(&victim);
	await_reaper(&victim, control->timeout_ms);
	victim_bury(&victim);
	if (rmdir(cgroup) < 0)
		workload_fail("remove %s", cgroup);
}

void trigger_oom_memcg(const struct control *control)
{
	die_of_memory(control, "16M");
}

void trigger_oom_global(const struct control *control)
{
	die_of_memory(control, "max");
}
