/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_CGROUP_H
#define SPLAT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/*
 * Removes a cgroup and all below it, which must hold no processes any more; without
 * allocation. False with errno set if it is still there afterwards.
 */
bool cgroup_remove(const char *path);

/*
 * Writes the path of the cgroup under which a workload may make children with the memory
 * controller: the parent of its own (TRIAL_CGROUP under the agent), since a cgroup that has
 * processes cannot give controllers to children; the root when it runs there.
 */
bool cgroup_parent(char *path, size_t size);

/* Writes text to an entry ("memory.max") of a cgroup. */
bool cgroup_write(const char *cgroup, const char *entry, const char *text);

#endif
