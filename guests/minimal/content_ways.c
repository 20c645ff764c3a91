// SPDX-License-Identifier: MIT
#include "content_ways.h"

#include "cgroup.h"
#include "files.h"
#include "hmm_abi.h"
#include "memory.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define CELL_PAGES (ARENA_CELL_BYTES / PAGE_BYTES)
#define COPY_PAGES 64
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

pthread_rwlock_t content_places = PTHREAD_RWLOCK_INITIALIZER;

enum { READING, MIGRATING };

/* A part of a plot: some pages, or one whole huge page, or now and then all. */
struct part {
	size_t first, count;
	char *start;
	size_t length;
};

struct turn {
	const struct content_ways *ways;
	struct plot *plot;
	enum plot_kind kind;
	uint64_t *random;
	struct part part;
};

void content_ways_open(struct content_ways *ways)
{
	for (int i = 0; i < 2; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/hmm_dmirror%d", i);
		ways->devices[i] = open(path, O_RDWR | O_CLOEXEC);
	}
}

static void check(const struct turn *turn, const char *after)
{
	plot_check(turn->plot, turn->part.first, turn->part.count, after);
}

static void page_out(struct turn *turn)
{
	madvise(turn->part.start, turn->part.length, MADV_PAGEOUT);
	/* A page that is not checked here comes back from swap at some later access. */
	if (random_below(turn->random, 2))
		check(turn, "after it was paged out");
}

static void cool(struct turn *turn)
{
	madvise(turn->part.start, turn->part.length, MADV_COLD);
}

static void protect(struct turn *turn)
{
	if (mprotect(turn->part.start, turn->part.length, PROT_READ) < 0 ||
	    mprotect(turn->part.start, turn->part.length, PROT_READ | PROT_WRITE) < 0)
		workload_fail("protect a plot");
	plot_write(turn->plot, turn->part.first, turn->part.count);
	check(turn, "after mprotect");
}

static void collapse(struct turn *turn)
{
	madvise(turn->part.start, turn->part.length, MADV_HUGEPAGE);
	madvise(turn->part.start, turn->part.length, MADV_COLLAPSE);
	check(turn, "after a collapse");
}

static void drop(struct turn *turn)
{
	if (madvise(turn->part.start, turn->part.length, MADV_DONTNEED) < 0)
		return;
	if (turn->kind != SHARED)
		plot_zeroed(turn->plot, turn->part.first, turn->part.count);
	check(turn, "after MADV_DONTNEED");
}

static void set_free(struct turn *turn)
{
	/* Some pages may have been dropped before the call fails. */
	plot_may_drop(turn->plot, turn->part.first, turn->kind == ANONYMOUS ? turn->part.count : 0);
	madvise(turn->part.start, turn->part.length, MADV_FREE);
	check(turn, "after MADV_FREE");
}

static void punch(struct turn *turn)
{
	if (turn->kind != SHARED)
		return;
	if (madvise(turn->part.start, turn->part.length, MADV_REMOVE) < 0)
		plot_may_drop(turn->plot, turn->part.first, turn->part.count);
	else
		plot_zeroed(turn->plot, turn->part.first, turn->part.count);
	check(turn, "after MADV_REMOVE");
}

/* Room for copies, as large as a huge page; each thread has its own. */
static char *copy_room(void)
{
	static _Thread_local char *room;

	if (!room) {
		pthread_rwlock_rdlock(&content_places);
		room = map_small_pages(ARENA_CELL_BYTES);
		pthread_rwlock_unlock(&content_places);
	}
	return room;
}

static void read_from_outside(struct turn *turn)
{
	char *copy = copy_room();
	size_t count = turn->part.count < COPY_PAGES ? turn->part.count : COPY_PAGES;
	struct iovec to = { copy, count * PAGE_BYTES }, from = { turn->part.start, to.iov_len };

	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)to.iov_len)
		plot_check_copy(turn->plot, turn->part.first, count, copy, "read by another process");
}

static bool command(const struct turn *turn, int device, unsigned long number, size_t count, char *copy)
{
	struct hmm_request request = {
		.address = (uintptr_t)turn->part.start,
		.buffer = (uintptr_t)copy,
		.pages = count,
	};

	return ioctl(turn->ways->devices[device], number, &request) == 0 && request.copied == count;
}

static void read_by_device(struct turn *turn)
{
	char *copy = copy_room();
	size_t count = turn->part.count < COPY_PAGES ? turn->part.count : COPY_PAGES;

	if (command(turn, READING, HMM_READ, count, copy))
		plot_check_copy(turn->plot, turn->part.first, count, copy, "read by a device");
}

static void migrate(struct turn *turn)
{
	char *copy = copy_room();
	size_t count = turn->part.count < CELL_PAGES ? turn->part.count : CELL_PAGES;

	/* The device reads what was migrated to it. Pages of files do not migrate. */
	if (turn->kind != SHARED && command(turn, MIGRATING, HMM_MIGRATE_TO_DEVICE, count, copy))
		plot_check_copy(turn->plot, turn->part.first, count, copy, "in device memory");
	check(turn, "after a migration to a device");
}

static void split(struct turn *turn)
{
	char request[96];

	snprintf(request, sizeof(request), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)turn->part.start,
		 (unsigned long)(turn->part.start + turn->part.length));
	write_file("/sys/kernel/debug/split_huge_pages", request);
	check(turn, "after its huge pages were split");
}

static void lock(struct turn *turn)
{
	mlock(turn->part.start, turn->part.length);
	check(turn, "under mlock");
	munlock(turn->part.start, turn->part.length);
}

static struct part pick_part(const struct plot *plot, uint64_t *random)
{
	size_t first = random_below(random, plot->pages / CELL_PAGES) * CELL_PAGES, count = CELL_PAGES;

	if (random_below(random, 2)) {
		first = random_below(random, plot->pages);
		count = 1 + random_below(random, plot->pages - first) / 8;
	} else if (random_below(random, 8) == 0) {
		first = 0;
		count = plot->pages;
	}
	return (struct part){ first, count, plot->base + first * PAGE_BYTES, count * PAGE_BYTES };
}

void content_treat(const struct content_ways *ways, struct plot *plot, enum plot_kind kind,
		   uint64_t *random)
{
	static void (*const treatments[])(struct turn *) = {
		page_out, page_out, page_out, cool,		 protect,	 collapse, drop,
		set_free, punch,    split,    read_from_outside, read_by_device, migrate,  lock,
	};
	struct turn turn = { ways, plot, kind, random, pick_part(plot, random) };

	treatments[random_below(random, sizeof(treatments) / sizeof(treatments[0]))](&turn);
}

static void reclaim_own_cgroup(uint64_t *random)
{
	char parent[PATH_MAX], amount[32];

	if (!cgroup_parent(parent, sizeof(parent)))
		return;
	snprintf(amount, sizeof(amount), "%luM", 1 + (unsigned long)random_below(random, 4));
	/* The file does not exist before Linux 5.19. */
	cgroup_write(parent, "memory.reclaim", amount);
}

void content_disturb(struct zram *zram, uint64_t *random)
{
	switch (random_below(random, 4)) {
	case 0:
		write_file("/proc/sys/vm/compact_memory", "1");
		return;
	case 1:
		zram_swap_renew(zram, 1 + (unsigned)random_below(random, 50));
		return;
	default:
		reclaim_own_cgroup(random);
	}
}
