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
#define BATCH 8 /* fences at once */
#define FENCE_WAIT_MS 20000

struct fences {
	struct lenders lenders;
	struct pace pace;
	bool abandons; /* timelines with fences that wait */
	int buffers[BUFFERS_MAX]; /* dma-bufs, one of each lender */
	size_t buffer_count;
	int objects_fd; /* a card with timeline sync objects, or -1 */
	atomic_uint_fast64_t signalled, merged, imported, exported, objects;
};

/* One sync file of two, which are closed; exits on failure. */
int merge_and_close(int first, int second);

/* The kernel's own words about a sync file and all its fences; exits when it has none. */
void ask_about(int sync_fd);

/*
 * Operations on the shared buffers: a fence imported for either direction or both; what is in it exported;
 * CPU access in one direction, which a signal may end; polls; one more buffer that dies while it is polled;
 * all that debugfs and fdinfo tell of them.
 */
void import_fence(struct racer *racer);
void export_fences(struct racer *racer);
void access_alone(struct racer *racer);
void poll_buffers(struct racer *racer);
void replace_buffer(struct racer *racer);
void read_all(struct racer *racer);

/* Looks for a card with timeline sync objects: virtio-gpu from Linux 6.6 on. */
void sync_objects_find(struct fences *fences);

/* An operation: points of one sync object signalled, imported, moved, waited for. Nothing where no card has any. */
void use_sync_objects(struct racer *racer);

#endif
