/* SPDX-License-Identifier: MIT */
/* What is done to a plot (plot.h), each followed by a look at whether it still says what it must. */
#ifndef SPLAT_CONTENT_WAYS_H
#define SPLAT_CONTENT_WAYS_H

#include "plot.h"
#include "zram.h"

#include <stdint.h>

/* Where the pages of a plot come from. */
enum plot_kind { ANONYMOUS, SHARED, PRIVATE_FILE, PLOT_KINDS };

struct content_ways {
	int devices[2];	/* of the HMM test driver: one reads, one migrates; -1: none */
};

/* Opens what some ways need; what the kernel lacks is left out. */
void content_ways_open(struct content_ways *ways);

/* One random way, by the thread that owns the plot. */
void content_treat(const struct content_ways *ways, struct plot *plot, enum plot_kind kind,
		   uint64_t *random);

/* Something of the whole guest: compaction, reclaim of the own cgroup, swap switched off and on. */
void content_disturb(struct zram *zram, uint64_t *random);

#endif
