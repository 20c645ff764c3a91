/* SPDX-License-Identifier: MIT */
/* Threads that go through a table of operations, each with its own random stream. */
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
 * Runs `count` threads until the workload's time is over. Each thread first goes through the
 * whole table once, from a starting point of its own and however long that takes, so that
 * everything is done on a slow host, too; then it picks at random. Threads of a disturbed
 * workload get signals all the time (signals.h), and another process reads about the workload
 * (readers.h). Returns the number of operations.
 */
uint64_t race(const struct workload *workload, unsigned count, const struct operation *operations,
	      size_t operation_count, void *shared);

/*
 * One of `count` ways to do an operation. On its first way through the table, each thread takes
 * the way that its index names, and later any way, so that every way is taken with every seed,
 * even on the slowest host.
 */
uint64_t racer_way(struct racer *racer, uint64_t count);

/*
 * Does an operation in a child, which has a copy of every mapping, while the other threads go
 * on.
 */
void race_in_child(struct racer *racer, void (*apply)(struct racer *racer));

#endif
