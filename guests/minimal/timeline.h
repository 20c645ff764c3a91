/* SPDX-License-Identifier: MIT */
/*
 * Timelines whose fences user space signals (drivers/dma-buf/sw_sync.c; the kernel installs no
 * header for it).
 */
#ifndef SPLAT_TIMELINE_H
#define SPLAT_TIMELINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Opens a timeline at 0. It ends with its descriptor, which wakes every waiter. -1 with errno
 * set.
 */
int timeline_open(void);

/* Makes a sync file that is signalled once the timeline has reached `value`; -1 with errno set. */
int timeline_fence(int timeline, uint32_t value);

bool timeline_advance(int timeline, uint32_t by);

#define PACED_TIMELINES 3
#define PACERS 2
#define FENCES_AHEAD 8 /* the most steps, of about 1 ms each, that a fence is ahead */
#define FENCES_KEPT 384

/*
 * Timelines that threads of their own advance all the time. So a thread may make a fence and
 * then wait for anything that waits for it: the fence does not depend on the thread that made
 * it.
 *
 * Bugs of the kernel (docs/found.md) show when the last reference of a fence goes while its
 * timeline, or the timeline of a fence that is merged with it, is advanced. So the latest
 * fences have a second descriptor here, and the oldest of them is closed only once it is
 * signalled.
 */
struct pace {
	struct paced {
		int fd;
		atomic_uint value;
		pthread_rwlock_t open; /* held to write by the thread that ends the timeline */
	} timelines[PACED_TIMELINES];
	bool drops_pending; /* true when it drops fences that are not signalled, and so meets these bugs */
	pthread_mutex_t keeping;
	int kept[FENCES_KEPT]; /* a ring; 0 means no descriptor */
	unsigned next_kept;
	pthread_t pacers[PACERS];
	uint64_t seed;
	atomic_uint started;
	atomic_bool over;
};

/*
 * Starts the pacers. Skips the workload if the kernel has no timelines. Exits on other
 * failures.
 */
void pace_start(struct pace *pace, uint64_t seed);
void pace_stop(struct pace *pace);

/* Makes a sync file that is signalled soon, and may be signalled already. Exits on failure. */
int pace_fence(struct pace *pace, uint64_t *random);

/*
 * Replaces a timeline by a new one. The fences of the old one are all signalled; with
 * `abandoned`, some of them get an error instead.
 */
void pace_replace(struct pace *pace, uint64_t *random, bool abandoned);

#endif
