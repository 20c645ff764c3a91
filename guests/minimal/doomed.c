// SPDX-License-Identifier: MIT
#include "doomed.h"

#include "cgroup.h"
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void doomed_make_cgroup(char path[PATH_MAX], const char *name, unsigned long limit_kib)
{
	char parent[PATH_MAX], limit[32] = "max";

	if (!cgroup_parent(parent, sizeof(parent)))
		workload_skip("no cgroup v2 on " CGROUP_ROOT);
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s", parent, name) >= PATH_MAX)
		workload_fail("a path longer than %d: %s", PATH_MAX, parent);
	if (limit_kib != DOOMED_NO_LIMIT)
		snprintf(limit, sizeof(limit), "%luK", limit_kib);
	rmdir(path);
	if (mkdir(path, 0755) < 0)
		workload_fail("make %s", path);
	if (!cgroup_write(path, "memory.max", limit))
		workload_fail("limit the memory of %s", path);
	/*
	 * The file does not exist if the kernel accounts no swap; then there is no swap to
	 * deny.
	 */
	if (!cgroup_write(path, "memory.swap.max", "0") && errno != ENOENT)
		workload_fail("deny swap to %s", path);
}

void doomed_start(struct doomed *doomed, const char *name, unsigned long limit_kib,
		  const struct victim_life *life)
{
	struct victim_life own = *life;

	doomed_make_cgroup(doomed->cgroup, name, limit_kib);
	own.cgroup = doomed->cgroup;
	victim_start(&doomed->victim, &own);
	victim_trace(&doomed->victim);
}

void doomed_release(struct doomed *doomed)
{
	victim_release(&doomed->victim);
}

void doomed_await(const struct doomed *doomed, unsigned long reap_timeout_ms)
{
	victim_await_exit_stop(&doomed->victim);
	victim_await_reaper(&doomed->victim, reap_timeout_ms);
}

void doomed_bury(struct doomed *doomed)
{
	victim_bury(&doomed->victim);
	if (rmdir(doomed->cgroup) < 0)
		workload_fail("remove %s", doomed->cgroup);
}

void doomed_finish(struct doomed *doomed, unsigned long reap_timeout_ms)
{
	doomed_await(doomed, reap_timeout_ms);
	doomed_bury(doomed);
}
