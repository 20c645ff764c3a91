/* SPDX-License-Identifier: MIT */
/* What the threads of the fences workload share. */
#ifndef SPLAT_FENCES_H
#define SPLAT_FENCES_H

#include "lenders.h"
#include "racers.h"
#include "timeline.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BUFFERS_MAX LENDERS
#define BATCH 8 /* how many fences are made at once */
#define FENCE_WAIT_MS 20000

struct fences {
	struct lenders lenders;
	struct pace pace;
	bool abandons; /* true when timelines end while their fences wait */
	int buffers[BUFFERS_MAX]; /* dma-bufs, one from each lender */
	size_t buffer_count;
	int objects_fd; /* a card with timeline sync objects, or -1 */
	atomic_uint_fast64_t signalled, merged, imported, exported, objects;
};

/* Merges two sync files into one, and closes both. Exits on failure. */
int merge_and_close(int first, int second);

/*
 * Asks the kernel for its description of a sync file and of all its fences. Exits when there is
 * none.
 */
void ask_about(int sync_fd);

/*
 * Operations on the shared buffers: import a fence for reading, writing or both; export the
 * fences of a buffer; CPU access in one direction, which a signal may end; poll; one more
 * buffer that is released while it is polled; read what debugfs and fdinfo print about buffers.
 */
void import_fence(struct racer *racer);
void export_fences(struct racer *racer);
void access_alone(struct racer *racer);
void poll_buffers(struct racer *racer);
void replace_buffer(struct racer *racer);
void read_all(struct racer *racer);

/* Looks for a card with timeline sync objects; virtio-gpu has them from Linux 6.6 on. */
void sync_objects_find(struct fences *fences);

/*
 * An operation: signals, imports, moves and waits for points of a sync object. Does nothing if
 * no card has sync objects.
 */
void use_sync_objects(struct racer *racer);

#endif
