/* SPDX-License-Identifier: MIT */
/*
 * A victim (victim.h) in a memory cgroup of its own, whose limit it exceeds when it is
 * provoked. The kernel kills it, and the OOM reaper takes its memory while it is held at its
 * exit stop.
 */
#ifndef SPLAT_DOOMED_H
#define SPLAT_DOOMED_H

#include "victim.h"

#include <limits.h>

#define DOOMED_NO_LIMIT 0

struct doomed {
	struct victim victim;
	char cgroup[PATH_MAX];
};

/* Makes the cgroup `name` without swap, and writes its path. Exits as doomed_start() does. */
void doomed_make_cgroup(char path[PATH_MAX], const char *name, unsigned long limit_kib);

/*
 * Makes the cgroup `name` without swap and starts the victim in it, traced and prepared. The
 * limit is in KiB, or DOOMED_NO_LIMIT. The cgroup in `life` is ignored. Exits on failure, with
 * "skip" if there is no cgroup v2.
 */
void doomed_start(struct doomed *doomed, const char *name, unsigned long limit_kib,
		  const struct victim_life *life);

/* Provokes the kill and returns at once; the reaper comes 2 s later. */
void doomed_release(struct doomed *doomed);

/*
 * Waits for the kill and the reaper. Afterwards the victim is still held at its exit stop, with
 * its address space.
 */
void doomed_await(const struct doomed *doomed, unsigned long reap_timeout_ms);

/* Lets the victim die and removes its cgroup. */
void doomed_bury(struct doomed *doomed);

/* Waits as doomed_await() does, and then does what doomed_bury() does. */
void doomed_finish(struct doomed *doomed, unsigned long reap_timeout_ms);

#endif
