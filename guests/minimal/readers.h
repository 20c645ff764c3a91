/* SPDX-License-Identifier: MIT */
/*
 * A process beside a workload that reads what the kernel says about the workload and about
 * itself: /proc/PID of the workload, and the files of /proc, sysfs and debugfs in a list. It
 * looks at no other process, so that it never holds a victim's memory.
 */
#ifndef SPLAT_READERS_H
#define SPLAT_READERS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Starts a reader at the lowest priority, which reads about the calling process. Exits on
 * failure.
 */
pid_t readers_start(uint64_t seed);

void readers_stop(pid_t reader);

#endif
