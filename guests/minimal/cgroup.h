/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_CGROUP_H
#define SPLAT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/*
 * Removes a cgroup and all cgroups below it, which must not hold processes any more. Allocates
 * nothing. False with errno set if the cgroup is still there afterwards.
 */
bool cgroup_remove(const char *path);

/*
 * Sends SIGKILL to every process in a cgroup and in the cgroups below it. Allocates nothing. True
 * when the kernel does it at once (cgroup.kill, since 5.14), or when no process was found. False
 * when processes were killed one by one: meanwhile they may have started others, so it has to be
 * called again when one of them has ended.
 */
bool cgroup_kill(const char *path);

/*
 * Writes the path of the cgroup below which a workload may make cgroups with the memory
 * controller. This is the parent of the workload's own cgroup (TRIAL_CGROUP under the agent),
 * since a cgroup with processes cannot give controllers to its children; it is the root cgroup
 * when the workload runs there.
 */
bool cgroup_parent(char *path, size_t size);

/* Writes text to a file of a cgroup, such as "memory.max". */
bool cgroup_write(const char *cgroup, const char *entry, const char *text);

#endif
