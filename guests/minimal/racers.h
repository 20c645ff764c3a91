/* SPDX-License-Identifier: MIT */
/* Threads that go through a table of operations, each with its own stream of decisions. */
#ifndef SPLAT_RACERS_H
#define SPLAT_RACERS_H

#include "workload.h"

#include <stddef.h>
#include <stdint.h>

#define RACERS_MAX 8

struct racer {
	const struct workload *workload;
	void *shared;		/* what the operations of this workload share */
	unsigned index;
	uint64_t random;
	uint64_t operations;
	size_t table; /* operations in the table */
};

struct operation {
	const char *name;
	void (*apply)(struct racer *racer);
};

/*
 * Runs count threads until the workload's time is over. Each goes through the whole table
 * once, beginning at a place of its own and however long that takes, then picks at random: also
 * on a slow host everything is done. A disturbed workload gets signals all
 * the time (signals.h) while another process reads about it (readers.h). Returns the number of
 * operations.
 */
uint64_t race(const struct workload *workload, unsigned count, const struct operation *operations,
	      size_t operation_count, void *shared);

/*
 * One of count ways to do an operation. On its way through the table each thread takes the one
 * that its index names, then any: what only one way does is done on the slowest host, too, by
 * every seed.
 */
uint64_t racer_way(struct racer *racer, uint64_t count);

/* Does it in a child, which has a copy of every mapping, while the other threads go on. */
void race_in_child(struct racer *racer, void (*apply)(struct racer *racer));

#endif
