/* SPDX-License-Identifier: MIT */
/*
 * The things that are done to a plot (plot.h). After each, the contents of the plot are
 * checked.
 */
#ifndef SPLAT_CONTENT_WAYS_H
#define SPLAT_CONTENT_WAYS_H

#include "plot.h"
#include "zram.h"

#include <pthread.h>
#include <stdint.h>

/* The kinds of memory of a plot. */
enum plot_kind { ANONYMOUS, SHARED, PRIVATE_FILE, PLOT_KINDS };

struct content_ways {
	int devices[2];	/* two devices of the HMM test driver: one reads, one migrates; -1 if there is none */
};

/* Opens the files that some of the ways need; a way that the kernel lacks is left out. */
void content_ways_open(struct content_ways *ways);

/* Does one random thing to a plot. Only the thread that owns the plot may call it. */
void content_treat(const struct content_ways *ways, struct plot *plot, enum plot_kind kind,
		   uint64_t *random);

/*
 * Does one thing to the whole guest: compaction, reclaim from the workload's cgroup, or swap
 * switched off and on.
 */
void content_disturb(struct zram *zram, uint64_t *random);

/*
 * Held to write while a plot is moved, since its place is free for a moment; held to read by a
 * thread that lets the kernel choose an address, which may be in that place.
 */
extern pthread_rwlock_t content_places;

#endif
