/* SPDX-License-Identifier: MIT */
/*
 * A victim (victim.h) in a memory cgroup of its own that it is going to outgrow: the kernel kills
 * it, and the OOM reaper takes its memory while it is held at its exit stop.
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

/* Makes the cgroup `name` without swap and writes its path. Exits as doomed_start() does. */
void doomed_make_cgroup(char path[PATH_MAX], const char *name, unsigned long limit_kib);

/*
 * Makes the cgroup `name` without swap, starts the victim in it, traced and prepared, its limit in
 * KiB or DOOMED_NO_LIMIT; the life's own cgroup is not looked at. Exits on failure, with "skip"
 * where there is no cgroup v2.
 */
void doomed_start(struct doomed *doomed, const char *name, unsigned long limit_kib,
		  const struct victim_life *life);

/* Provokes the kill and returns at once: the reaper takes 2 s to come. */
void doomed_release(struct doomed *doomed);

/* Waits for kill and reaper; the victim is still held where it died, with its address space. */
void doomed_await(const struct doomed *doomed, unsigned long reap_timeout_ms);

/* Lets it go and removes the cgroup. */
void doomed_bury(struct doomed *doomed);

/* Both. */
void doomed_finish(struct doomed *doomed, unsigned long reap_timeout_ms);

#endif
