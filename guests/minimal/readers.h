/* SPDX-License-Identifier: MIT */
/*
 * A process beside a workload that reads what the kernel tells of it and of itself: /proc/PID of the
 * workload alone, and those files of /proc, sysfs and debugfs that stand in a list. It looks at no
 * other process, so that no victim's memory is held by it.
 */
#ifndef SPLAT_READERS_H
#define SPLAT_READERS_H

#include <stdint.h>
#include <sys/types.h>

/* Starts one at the lowest priority that reads about the calling process. Exits on failure. */
pid_t readers_start(uint64_t seed);

void readers_stop(pid_t reader);

#endif
