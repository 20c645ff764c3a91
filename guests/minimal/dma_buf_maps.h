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
 * A process of low priority that uses the same buffers all the time: a lock of theirs is taken more often than not, also by
 * somebody whom no thread of the workload knows.
 */
pid_t neighbour_start(const struct maps *maps);
void neighbour_stop(pid_t pid);

/* Operations that end in a child, or need one. */

/* A mapping that grew beyond its buffer is read there: SIGBUS, never a page of somebody else. */
void read_past_end(struct racer *racer);

/* A udmabuf of pieces of several memfds, one of which may end too early; pages are punched out of them. */
void gather_pages(struct racer *racer);

/* Everything that makes a descriptor, where none is left: each has to give back what it had begun. */
void live_without_descriptors(struct racer *racer);

#endif
