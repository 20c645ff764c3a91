// SPDX-License-Identifier: MIT
/*
 * hotplug: blocks of the guest's memory are set offline while threads map, touch, swap and fork
 * in an arena, so that the arena's pages are moved, and are set online again. A block with
 * something that cannot be moved stays online; at the end all blocks are online again.
 */
#include "arena.h"
#include "blocks.h"
#include "notifiers.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

#define THREADS 3
#define SHORT_ALARM_MS 150
#define LONG_ALARM_MS 3000
#define PATIENT_ALARM_MS 10000 /* a block is taken in 0.2 s on a quiet host */

struct shared {
	struct arena arena;
	struct blocks blocks;
	atomic_uint taken;
};

static struct range pick(struct racer *racer)
{
	struct shared *shared = racer->shared;

	return arena_pick(&shared->arena, &racer->random);
}

static void map(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = random_below(&racer->random, 3) ?
				     pick(racer) :
				     arena_pick_cell(&shared->arena, &racer->random);

	range_map(range);
	madvise(range.start, range.length,
		random_below(&racer->random, 2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	range_write(range, (unsigned char)random_next(&racer->random));
}

static void touch(struct racer *racer)
{
	range_read(pick(racer));
	range_write(pick(racer), (unsigned char)random_next(&racer->random));
}

static void page_out(struct racer *racer)
{
	struct range range = pick(racer);

	madvise(range.start, range.length, MADV_PAGEOUT);
}

static void unmap(struct racer *racer)
{
	range_unmap(pick(racer));
}

static void fork_child(struct racer *racer)
{
	race_in_child(racer, touch);
}

static bool take_and_return(struct shared *shared, size_t index, unsigned alarm_ms, bool movable_only)
{
	if (!blocks_take(&shared->blocks, index, alarm_ms))
		return false;
	shared->taken++;
	blocks_return(&shared->blocks, index, movable_only);
	return true;
}

/*
 * Takes one block twice, however slow the host is. Since the block came back for movable pages
 * only, the arena's new pages lie in it, and are moved the second time.
 */
static void take_one(struct shared *shared)
{
	struct range half = { .start = shared->arena.base,
			      .length = shared->arena.cells / 2 * ARENA_CELL_BYTES };

	for (size_t index = shared->blocks.count; index-- > 0;) {
		if (!take_and_return(shared, index, PATIENT_ALARM_MS, true))
			continue;
		range_map(half);
		range_write(half, 1);
		if (take_and_return(shared, index, PATIENT_ALARM_MS, true))
			return;
	}
}

/*
 * Takes a block. Only one thread does it; it takes higher blocks first and more often, since
 * the kernel's own memory is in the lower ones.
 */
static void take_block(struct racer *racer)
{
	struct shared *shared = racer->shared;
	size_t count = shared->blocks.count, index;

	if (racer->index != 0) {
		touch(racer);
		return;
	}
	index = count - 1 - random_below(&racer->random, 1 + random_below(&racer->random, count));
	take_and_return(shared, index,
			random_below(&racer->random, 2) ?
				1 + (unsigned)random_below(&racer->random, SHORT_ALARM_MS) :
				LONG_ALARM_MS,
			random_below(&racer->random, 2));
}

static const struct operation operations[] = {
	{ "take-block", take_block }, { "map", map },	    { "touch", touch },
	{ "page-out", page_out },     { "unmap", unmap },   { "map", map },
	{ "fork", fork_child },	      { "take-block", take_block },
};

static int hotplug_main(int argc, char **argv)
{
	struct workload workload = { .name = "hotplug", .disturbed = true, .duration_ms = 2000, .memory_mib = 32 };
	static struct shared shared;
	int fd;

	workload_start(&workload, argc, argv);
	blocks_find(&shared.blocks);
	if (shared.blocks.count == 0)
		workload_skip("no blocks of memory: the kernel lacks CONFIG_MEMORY_HOTPLUG");
	fd = notifiers_open();
	arena_reserve(&shared.arena, workload.memory_mib * MIB);
	notifiers_add(fd, SPLAT_MN_HLIST, shared.arena.base, shared.arena.cells * ARENA_CELL_BYTES);
	notifiers_add(fd, SPLAT_MN_INTERVAL, shared.arena.base,
		      shared.arena.cells * ARENA_CELL_BYTES);
	take_one(&shared);
	race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]), &shared);
	for (size_t i = 0; i < shared.blocks.count; i++)
		blocks_return(&shared.blocks, i, false);
	printf("done blocks taken %u of %zu\n", shared.taken, shared.blocks.count);
	return 0;
}

PROGRAM("hotplug", hotplug_main);
