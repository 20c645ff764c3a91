/* SPDX-License-Identifier: MIT */
/* Timelines of fences that user space signals (drivers/dma-buf/sw_sync.c; the kernel installs no header for it). */
#ifndef SPLAT_TIMELINE_H
#define SPLAT_TIMELINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A timeline at 0, which ends with its descriptor: whoever waits for it is then woken. -1 with errno set. */
int timeline_open(void);

/* A sync file that is signalled once the timeline has reached value; -1 with errno set. */
int timeline_fence(int timeline, uint32_t value);

bool timeline_advance(int timeline, uint32_t by);

#define PACED_TIMELINES 3
#define PACERS 2
#define FENCES_AHEAD 8 /* steps that a fence is away at most, of about 1 ms each */
#define FENCES_KEPT 384

/*
 * Timelines that threads of their own advance all the time. Whoever makes a fence may then wait for whatever
 * waits for it: the fence does not depend on its maker.
 *
 * A fence whose last reference goes while its timeline, or that of a fence merged with it, is advanced meets
 * bugs of the kernel (docs/found.md). So the latest fences have a second descriptor here, and the oldest of
 * them is closed only once it is signalled.
 */
struct pace {
	struct paced {
		int fd;
		atomic_uint value;
		pthread_rwlock_t open; /* held to write by whoever ends it */
	} timelines[PACED_TIMELINES];
	bool drops_pending; /* meets those bugs */
	pthread_mutex_t keeping;
	int kept[FENCES_KEPT]; /* a ring; 0 is none */
	unsigned next_kept;
	pthread_t pacers[PACERS];
	uint64_t seed;
	atomic_uint started;
	atomic_bool over;
};

/* Skips the workload where the kernel has no timelines, exits on failure. */
void pace_start(struct pace *pace, uint64_t seed);
void pace_stop(struct pace *pace);

/* A new sync file that is signalled soon, perhaps already. Exits on failure. */
int pace_fence(struct pace *pace, uint64_t *random);

/*
 * Begins another timeline in the place of one, which ends with all its fences signalled, or, abandoned, with
 * some that get an error.
 */
void pace_replace(struct pace *pace, uint64_t *random, bool abandoned);

#endif
