/* SPDX-License-Identifier: MIT */
/*
 * Blocks of the guest's memory that are set offline and online again
 * (Documentation/admin-guide/mm/memory-hotplug.rst).
 */
#ifndef SPLAT_BLOCKS_H
#define SPLAT_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCKS_MAX 64

struct blocks {
	size_t count;
	unsigned number[BLOCKS_MAX]; /* the numbers in the names of the blocks' folders */
};

/* Finds all blocks that are online and removable; none if the kernel lacks memory hotplug. */
void blocks_find(struct blocks *blocks);

/*
 * Tries to set a block offline until the alarm ends the try. The kernel moves the block's
 * contents elsewhere, and gives up when something cannot be moved. True if the block is
 * offline; blocks_return() sets it online again.
 */
bool blocks_take(const struct blocks *blocks, size_t index, unsigned alarm_ms);

/*
 * Sets a block online again, as memory for movable pages only, or as normal memory. Exits on
 * failure.
 */
void blocks_return(const struct blocks *blocks, size_t index, bool movable_only);

#endif
