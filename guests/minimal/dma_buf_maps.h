/* SPDX-License-Identifier: MIT */
/* What the threads of the dma-buf-maps workload share. */
#ifndef SPLAT_DMA_BUF_MAPS_H
#define SPLAT_DMA_BUF_MAPS_H

#include "lenders.h"
#include "racers.h"

#include <stdatomic.h>
#include <sys/types.h>

struct source {
	const char *name;
	int fd;
	off_t offset;
	size_t bytes;
};

struct maps {
	struct lenders lenders;
	struct canvas canvases[CARDS_LENDING];
	struct source sources[2 * CARDS_LENDING + 2];
	size_t source_count;
	atomic_uint_fast64_t refused, moved, forked, gathered, past_end;
};

/*
 * Starts a process of low priority that uses the same buffers all the time, so that their locks
 * are usually held, also by a process that is none of the workload's threads.
 */
pid_t neighbour_start(const struct maps *maps);
void neighbour_stop(pid_t pid);

/* Operations that run in a child, or end one. */

/*
 * Reads beyond the end of a buffer, in a mapping that grew: this must raise SIGBUS, and never
 * read a page of something else.
 */
void read_past_end(struct racer *racer);

/*
 * Makes a udmabuf of pieces of several memfds, one of which may end too early, and punches
 * pages out of the memfds.
 */
void gather_pages(struct racer *racer);

/*
 * Makes every call that creates a descriptor when no descriptor is left: each must undo what it
 * had begun.
 */
void live_without_descriptors(struct racer *racer);

#endif
