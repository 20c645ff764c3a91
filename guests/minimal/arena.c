// SPDX-License-Identifier: MIT
#include "arena.h"

#include "random.h"
#include "workload.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Far below the address where the kernel begins to look for free space, so that a mapping
 * without an address never lands in a hole that unmapping leaves in the arena.
 */
#define ARENA_NEAR ((void *)(1ul << 40))

/* Where this thread jumps to from a fault; NULL outside of range_read() and range_write(). */
static _Thread_local sigjmp_buf *volatile escape;

static void leave_touch(int number)
{
	if (escape)
		siglongjmp(*escape, 1);
	signal(number, SIG_DFL);
}

static void catch_faults(void)
{
	/* NODEFER: the jump out of the handler does not restore the signal mask. */
	struct sigaction action = { .sa_handler = leave_touch, .sa_flags = SA_NODEFER };

	if (sigaction(SIGSEGV, &action, NULL) < 0 || sigaction(SIGBUS, &action, NULL) < 0)
		workload_fail("sigaction");
}

void arena_reserve(struct arena *arena, size_t bytes)
{
	uintptr_t address;
	void *reserved;

	arena->cells = bytes / ARENA_CELL_BYTES < 2 ? 2 : bytes / ARENA_CELL_BYTES;
	reserved = mmap(ARENA_NEAR, (arena->cells + 1) * ARENA_CELL_BYTES, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		workload_fail("reserve %zu MiB of addresses", bytes / MIB);
	address = (uintptr_t)reserved + ARENA_CELL_BYTES - 1;
	arena->base = (char *)(address & ~(ARENA_CELL_BYTES - 1));
	catch_faults();
}

struct range arena_pick_cell(const struct arena *arena, uint64_t *random)
{
	return (struct range){
		.start = arena->base + random_below(random, arena->cells) * ARENA_CELL_BYTES,
		.length = ARENA_CELL_BYTES,
	};
}

struct range arena_pick_cells(const struct arena *arena, uint64_t *random, size_t most)
{
	struct range range = arena_pick_cell(arena, random);
	size_t left = arena->cells - (size_t)(range.start - arena->base) / ARENA_CELL_BYTES;
	size_t count = 1 + random_below(random, most);

	range.length = (count > left ? left : count) * ARENA_CELL_BYTES;
	return range;
}

struct range arena_pick(const struct arena *arena, uint64_t *random)
{
	struct range range = arena_pick_cell(arena, random);
	size_t pages = ARENA_CELL_BYTES / PAGE_BYTES;
	size_t first = random_below(random, pages);
	/*
	 * Mostly short ranges, because nearly all the time that a page takes goes into its
	 * fault.
	 */
	size_t limit = 1ul << random_below(random, 8);
	size_t count = 1 + random_below(random, limit);

	range.start += first * PAGE_BYTES;
	range.length = (count > pages - first ? pages - first : count) * PAGE_BYTES;
	return range;
}

bool range_map(struct range range)
{
	return mmap(range.start, range.length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void range_unmap(struct range range)
{
	munmap(range.start, range.length);
}

void range_move(struct range from, struct range to)
{
	mremap(from.start, from.length, to.length, MREMAP_MAYMOVE | MREMAP_FIXED, to.start);
}

bool range_read(struct range range)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0)) {
		escape = NULL;
		return false;
	}
	escape = &here;
	for (size_t at = 0; at < range.length; at += PAGE_BYTES)
		(void)*(volatile char *)(range.start + at);
	escape = NULL;
	return true;
}

bool range_write(struct range range, unsigned char value)
{
	sigjmp_buf here;

	if (sigsetjmp(here, 0)) {
		escape = NULL;
		return false;
	}
	escape = &here;
	for (size_t at = 0; at < range.length; at += PAGE_BYTES)
		*(volatile unsigned char *)(range.start + at) = value;
	escape = NULL;
	return true;
}
