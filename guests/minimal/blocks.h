/* SPDX-License-Identifier: MIT */
/* Blocks of the guest's memory, taken away and given back (Documentation/admin-guide/mm/memory-hotplug.rst). */
#ifndef SPLAT_BLOCKS_H
#define SPLAT_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCKS_MAX 64

struct blocks {
	size_t count;
	unsigned number[BLOCKS_MAX]; /* as in the names of their folders */
};

/* All blocks that are online and could be taken away; none where the kernel cannot. */
void blocks_find(struct blocks *blocks);

/*
 * Tries to take one away for as long as an alarm lets it: what is in it moves elsewhere, and what
 * cannot move keeps it. Whether that succeeded; it is given back by blocks_return().
 */
bool blocks_take(const struct blocks *blocks, size_t index, unsigned alarm_ms);

/* Gives one back, as memory for what can be moved only or for everything. Exits on failure. */
void blocks_return(const struct blocks *blocks, size_t index, bool movable_only);

#endif
