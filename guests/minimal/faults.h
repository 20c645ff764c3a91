/* SPDX-License-Identifier: MIT */
/*
 * Userfaultfds, and the thread that answers their faults. This thread never touches the memory
 * that they watch, so every thread that faults there goes on in the end: by a page, by a
 * wake-up, or because the descriptor is closed.
 */
#ifndef SPLAT_FAULTS_H
#define SPLAT_FAULTS_H

#include "arena.h"

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdint.h>

/* Interfaces that Linux has gained since the headers of Debian 12. */
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
	uint64_t features;	/* all features that this kernel has */
	uint64_t answered;	/* how many faults were answered; read it after faults_stop() */
	uint64_t events;	/* how many forks, moves and unmaps were reported */
	struct faults_monitor *monitor;
};

/* Starts the thread. Exits with "skip" where the kernel lacks userfaultfd. */
void faults_start(struct faults *faults, uint64_t seed);

/*
 * Opens a descriptor whose faults are answered from now on, and which reports forks, moves and
 * unmaps. -1 while there are too many.
 */
int faults_open(struct faults *faults);

/*
 * Has the thread close a descriptor, and waits until it has. A thread that waits in one of its
 * faults goes on. No child may exist or be made meanwhile: fork(2) waits until its event is
 * read, and the new child already holds the descriptor open.
 */
void faults_close(struct faults *faults, int fd);

/* Ends the thread and closes all descriptors. */
void faults_stop(struct faults *faults);

#endif
