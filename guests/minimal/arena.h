/* SPDX-License-Identifier: MIT */
/*
 * A reserved piece of address space in which threads map, unmap and touch the same pages at the
 * same time. Every mapping in it is MAP_FIXED, so the threads never race on a stack, a heap or
 * code. Touching a page that another thread has just unmapped returns false.
 */
#ifndef SPLAT_ARENA_H
#define SPLAT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The size of a huge page on x86-64. */
#define ARENA_CELL_BYTES (2ul << 20)

struct arena {
	char *base;	/* aligned to ARENA_CELL_BYTES */
	size_t cells;
};

struct range {
	char *start;	/* page aligned */
	size_t length;	/* whole pages, not 0 */
};

/*
 * Reserves at least 2 cells. It also installs the signal handlers that range_read() and
 * range_write() need.
 */
void arena_reserve(struct arena *arena, size_t bytes);

/* A random range inside one random cell. */
struct range arena_pick(const struct arena *arena, uint64_t *random);

/* One random cell. */
struct range arena_pick_cell(const struct arena *arena, uint64_t *random);

/* A random number of neighbouring cells, from 1 to most. */
struct range arena_pick_cells(const struct arena *arena, uint64_t *random, size_t most);

/* Maps private anonymous memory in place of whatever was there. */
bool range_map(struct range range);

/* These may fail because another thread was faster; that is no error. */
void range_unmap(struct range range);
void range_move(struct range from, struct range to);

/* Reads or writes one byte of each page. False if part of the range cannot be accessed. */
bool range_read(struct range range);
bool range_write(struct range range, unsigned char value);

#endif
