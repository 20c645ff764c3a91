// SPDX-License-Identifier: MIT
#include "rare_calls.h"

#include "random.h"
#include "workload.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define STACK_PAGES 16

/*
 * Locks all memory of the program, present and future, as it is touched. It is unlocked soon,
 * because locked memory is never reclaimed.
 */
static void lock_all(const struct arena *arena, int fd, uint64_t *random)
{
	struct range range = arena_pick(arena, random);

	(void)fd;
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	range_map(range);
	range_write(range, 1);
	munlockall();
}

/* Advises the kernel through a pidfd, as a memory manager does for other processes. */
static void advise_remotely(const struct arena *arena, int fd, uint64_t *random)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLD };
	struct range first = arena_pick(arena, random), second = arena_pick(arena, random);
	struct iovec pieces[] = { { first.start, first.length }, { second.start, second.length } };
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	(void)fd;
	if (self < 0)
		return;
	syscall(SYS_process_madvise, self, pieces, 2, advice[random_below(random, 4)], 0);
	close(self);
}

/*
 * Puts pages of a file in another order than their addresses; the kernel makes a mapping of
 * each.
 */
static void remap_pages(const struct arena *arena, int fd, uint64_t *random)
{
	struct range range = arena_pick(arena, random);
	size_t pages = ARENA_CELL_BYTES / PAGE_BYTES;

	if (mmap(range.start, range.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 0) == MAP_FAILED)
		return;
	range_write(range, 2);
	syscall(SYS_remap_file_pages, range.start, PAGE_BYTES, 0, random_below(random, pages), 0);
	msync(range.start, range.length, random_below(random, 2) ? MS_SYNC : MS_ASYNC);
	range_read(range);
}

static void advise_file(const struct arena *arena, int fd, uint64_t *random)
{
	static const int advice[] = { POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,
				      POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM };
	off_t offset = (off_t)(random_below(random, ARENA_CELL_BYTES / PAGE_BYTES) * PAGE_BYTES);

	(void)arena;
	posix_fadvise(fd, offset, (off_t)(8 * PAGE_BYTES), advice[random_below(random, 4)]);
	lseek(fd, offset, SEEK_DATA);
	lseek(fd, offset, SEEK_HOLE);
}

/* Touches a stack from its top downwards, and then far below. */
static void grow_stack(const struct arena *arena, int fd, uint64_t *random)
{
	struct range range = arena_pick_cell(arena, random);
	struct range top = { range.start + range.length - PAGE_BYTES, PAGE_BYTES };

	(void)fd;
	munmap(range.start, range.length);
	if (mmap(top.start, top.length, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0) == MAP_FAILED)
		return;
	for (int i = 0; i < STACK_PAGES; i++, top.start -= PAGE_BYTES)
		range_write(top, 3);
	top.start = range.start + random_below(random, range.length / PAGE_BYTES) * PAGE_BYTES;
	range_write(top, 4);
}

static void ask_what_is_there(const struct arena *arena, int fd, uint64_t *random)
{
	static _Thread_local unsigned char there[ARENA_CELL_BYTES / PAGE_BYTES];
	struct range range = arena_pick(arena, random);

	(void)fd;
	mincore(range.start, range.length, there);
}

void rare_call(const struct arena *arena, int shmem_fd, uint64_t *random)
{
	static void (*const calls[])(const struct arena *, int, uint64_t *) = {
		lock_all, advise_remotely, remap_pages, advise_file, grow_stack, ask_what_is_there,
	};

	calls[random_below(random, sizeof(calls) / sizeof(calls[0]))](arena, shmem_fd, random);
}
