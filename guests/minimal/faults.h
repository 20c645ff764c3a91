/* SPDX-License-Identifier: MIT */
/*
 * Userfaultfds and the thread that answers them. It never touches what they watch, so everybody who
 * faults there gets on in the end: by a page, by a wake-up, or because the descriptor is closed.
 */
#ifndef SPLAT_FAULTS_H
#define SPLAT_FAULTS_H

#include "arena.h"

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdint.h>

/* What Linux has gained since the headers of Debian 12. */
#define FAULTS_MOVE_IOCTL _IOWR(UFFDIO, 0x05, struct faults_move)	/* UFFDIO_MOVE, 6.8 */
#define FAULTS_POISON_IOCTL _IOWR(UFFDIO, 0x08, struct faults_poison)	/* UFFDIO_POISON, 6.6 */

struct faults_move {
	__u64 dst, src, len, mode;
	__s64 move;
};

struct faults_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};

struct faults {
	uint64_t features;	/* all of this kernel's */
	uint64_t answered;	/* faults; read it after faults_stop() */
	uint64_t events;	/* forks, moves, unmaps that were told */
	struct faults_monitor *monitor;
};

/* Starts the thread. Exits with "skip" where the kernel lacks userfaultfd. */
void faults_start(struct faults *faults, uint64_t seed);

/* A new descriptor, answered from now on; it tells of forks, moves and unmaps. -1 while there are too many. */
int faults_open(struct faults *faults);

/*
 * Has the thread close it, and waits until it has: who waits in a fault goes on without. No child may
 * be there or be made meanwhile: fork(2) waits for its event to be read, and the unborn child
 * already holds the descriptor open.
 */
void faults_close(struct faults *faults, int fd);

/* Ends the thread and closes all descriptors. */
void faults_stop(struct faults *faults);

#endif
