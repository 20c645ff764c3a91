// SPDX-License-Identifier: MIT
/*
 * huge: what is done to whole huge pages, and to several at once. Ranges are aligned multiples
 * of 2 MiB, so that the kernel moves, protects, drops, locks and copies the entry of the huge
 * page itself; some operations then split one. khugepaged never rests, and one huge page in
 * small pieces is always there to be collapsed again. Calls may fail because another thread was
 * faster, or because this kernel does not have them.
 */
#include "arena.h"
#include "files.h"
#include "huge_look.h"
#include "memory.h"
#include "notifiers.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define MOST_CELLS 4
#define SHMEM_CELLS 4
#define HUGETLB_PAGES 4
#define THP "/sys/kernel/mm/transparent_hugepage/"
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

struct shared {
	struct arena arena;
	int shmem_fd;
	int hugetlb_fd;	/* -1 if the kernel has no hugetlbfs */
	int notifiers_fd;
	struct huge_look look;
};

static struct range pick(struct racer *racer)
{
	struct shared *shared = racer->shared;

	return arena_pick_cells(&shared->arena, &racer->random, MOST_CELLS);
}

static unsigned char any_byte(struct racer *racer)
{
	return (unsigned char)random_next(&racer->random);
}

/* Touches one byte of every huge page, which makes the whole page present. */
static void touch_cells(struct racer *racer, struct range range)
{
	for (size_t at = 0; at < range.length; at += ARENA_CELL_BYTES)
		range_write((struct range){ range.start + at, PAGE_BYTES }, any_byte(racer));
}

static void map_huge(struct racer *racer)
{
	struct range range = pick(racer);

	range_map(range);
	madvise(range.start, range.length, MADV_HUGEPAGE);
	touch_cells(racer, range);
}

/* Touches small pages first, and then has one huge page put in their place. */
static void collapse(struct racer *racer)
{
	struct range range = pick(racer), piece = { range.start, 16 * PAGE_BYTES };

	range_map(range);
	madvise(range.start, range.length, MADV_NOHUGEPAGE);
	range_write(piece, any_byte(racer));
	if (random_below(&racer->random, 2)) /* khugepaged collapses it when it gets there */
		madvise(range.start, range.length, MADV_HUGEPAGE);
	else
		madvise(range.start, range.length, MADV_COLLAPSE);
	range_read(range);
}

static void map_shmem(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = pick(racer);
	off_t offset = (off_t)(random_below(&racer->random, SHMEM_CELLS) * ARENA_CELL_BYTES);
	int sharing = random_below(&racer->random, 4) ? MAP_SHARED : MAP_PRIVATE;

	if ((size_t)offset + range.length > SHMEM_CELLS * ARENA_CELL_BYTES)
		range.length = SHMEM_CELLS * ARENA_CELL_BYTES - (size_t)offset;
	mmap(range.start, range.length, PROT_READ | PROT_WRITE, sharing | MAP_FIXED,
	     shared->shmem_fd, offset);
	if (random_below(&racer->random, 2))
		madvise(range.start, range.length, MADV_HUGEPAGE);
	touch_cells(racer, range);
	if (random_below(&racer->random, 2))
		madvise(range.start, range.length, MADV_COLLAPSE);
}

/* Maps huge pages of hugetlbfs, from a pool that grows as needed. */
static void map_hugetlb(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = pick(racer);
	int sharing = random_below(&racer->random, 2) ? MAP_SHARED : MAP_PRIVATE;
	off_t offset = (off_t)(random_below(&racer->random, HUGETLB_PAGES) * ARENA_CELL_BYTES);

	if (shared->hugetlb_fd < 0)
		return;
	range.length = ARENA_CELL_BYTES;
	if (random_below(&racer->random, 4) == 0)
		mmap(range.start, range.length, PROT_READ | PROT_WRITE,
		     sharing | MAP_FIXED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	else
		mmap(range.start, range.length, PROT_READ | PROT_WRITE, sharing | MAP_FIXED,
		     shared->hugetlb_fd, offset);
	range_read(range);
	touch_cells(racer, range);
}

/* Punches a huge page of shmem, or some pages of it, out of the file while it is mapped. */
static void punch(struct racer *racer)
{
	struct shared *shared = racer->shared;
	bool whole = random_below(&racer->random, 2);
	size_t unit = whole ? ARENA_CELL_BYTES : PAGE_BYTES;
	size_t at = random_below(&racer->random, SHMEM_CELLS * ARENA_CELL_BYTES / unit);
	int fd = random_below(&racer->random, 4) ? shared->shmem_fd : shared->hugetlb_fd;

	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(at * unit),
		  (off_t)unit);
}

static void move(struct racer *racer)
{
	struct range from = pick(racer), to = pick(racer);
	int keep = random_below(&racer->random, 3) == 0 ? MREMAP_DONTUNMAP : 0;

	if (to.length > from.length || keep)
		to.length = from.length;
	mremap(from.start, from.length, to.length, MREMAP_MAYMOVE | MREMAP_FIXED | keep, to.start);
}

static void protect(struct racer *racer)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct range range = pick(racer);

	mprotect(range.start, range.length, protections[random_below(&racer->random, 3)]);
	touch_cells(racer, range);
}

static void advise(struct racer *racer)
{
	static const int advice[] = {
		MADV_DONTNEED,	 MADV_FREE,	  MADV_COLD,	      MADV_PAGEOUT,
		MADV_REMOVE,	 MADV_COLLAPSE,	  MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		MADV_HUGEPAGE,	 MADV_NOHUGEPAGE, MADV_WILLNEED,      MADV_MERGEABLE,
		MADV_DONTFORK,	 MADV_DOFORK,	  MADV_WIPEONFORK,    MADV_KEEPONFORK,
		MADV_UNMERGEABLE,
	};
	struct range range = pick(racer);
	size_t which = random_below(&racer->random, sizeof(advice) / sizeof(advice[0]));

	madvise(range.start, range.length, advice[which]);
}

/* Makes one call on one small page of a huge page. */
static void cut(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = arena_pick(&shared->arena, &racer->random);

	switch (random_below(&racer->random, 4)) {
	case 0:
		range_unmap(range);
		return;
	case 1:
		mprotect(range.start, range.length, PROT_READ);
		return;
	case 2:
		madvise(range.start, range.length, MADV_DONTNEED);
		return;
	default:
		madvise(range.start, range.length, MADV_FREE);
	}
}

static void lock(struct racer *racer)
{
	struct range range = pick(racer);

	if (random_below(&racer->random, 2))
		mlock(range.start, range.length);
	else
		mlock2(range.start, range.length, MLOCK_ONFAULT);
	if (random_below(&racer->random, 2))
		touch_cells(racer, range);
	munlock(range.start, range.length);
}

static void unmap(struct racer *racer)
{
	range_unmap(pick(racer));
}

static void touch(struct racer *racer)
{
	struct range range = pick(racer);

	range_read((struct range){ range.start, PAGE_BYTES });
	touch_cells(racer, range);
}

static void touch_and_cut(struct racer *racer)
{
	touch(racer);
	cut(racer);
	touch(racer);
}

/* Forks: parent and child share the huge pages until one of them writes. */
static void fork_child(struct racer *racer)
{
	race_in_child(racer, touch_and_cut);
}

static void look(struct racer *racer)
{
	struct shared *shared = racer->shared;

	huge_look_at(&shared->look, pick(racer), &racer->random);
}

static const struct operation operations[] = {
	{ "map-huge", map_huge }, { "collapse", collapse }, { "map-shmem", map_shmem },
	{ "move", move },	  { "protect", protect },   { "advise", advise },
	{ "fork", fork_child },	  { "touch", touch },	    { "look", look },
	{ "lock", lock },	  { "advise", advise },	    { "cut", cut },
	{ "map-huge", map_huge }, { "punch", punch },	    { "unmap", unmap },
	{ "map-hugetlb", map_hugetlb },
};

/*
 * Has a process read huge pages before it writes to them, which maps the huge zero page. No
 * other code does that. When the last user is gone, a shrinker may free the huge zero page.
 */
static void use_huge_zero_page(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct arena arena;
		struct range range;

		arena_reserve(&arena, 2 * ARENA_CELL_BYTES);
		range = (struct range){ arena.base, 2 * ARENA_CELL_BYTES };
		range_map(range);
		madvise(range.start, range.length, MADV_HUGEPAGE);
		range_read(range);
		mremap(range.start, ARENA_CELL_BYTES, ARENA_CELL_BYTES,
		       MREMAP_MAYMOVE | MREMAP_FIXED, range.start + ARENA_CELL_BYTES);
		mprotect(range.start + ARENA_CELL_BYTES, PAGE_BYTES, PROT_READ);
		touch_pages(range.start + ARENA_CELL_BYTES + PAGE_BYTES, PAGE_BYTES);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		workload_fail("a child with the huge zero page");
	if (!write_file("/proc/sys/vm/drop_caches", "2"))
		workload_fail("drop caches");
}

/*
 * Opens hugetlbfs. Pages come and go as needed; a write to more than exist raises a SIGBUS,
 * which is caught.
 */
static int open_hugetlb(void)
{
	int fd;

	if (!write_file("/proc/sys/vm/nr_overcommit_hugepages", "16"))
		return -1;
	fd = memfd_create("hugetlb", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)(HUGETLB_PAGES * ARENA_CELL_BYTES)) < 0)
		workload_fail("memfd of huge pages");
	return fd;
}

/* Does once, however slow the host is: collapses a file, moves a huge page and splits it. */
static void do_once(struct shared *shared)
{
	struct range first = { shared->arena.base, ARENA_CELL_BYTES };
	struct range second = { first.start + ARENA_CELL_BYTES, ARENA_CELL_BYTES };

	if (mmap(first.start, first.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 shared->shmem_fd, 0) == MAP_FAILED)
		workload_fail("map shmem");
	touch_pages(first.start, 8 * PAGE_BYTES);
	madvise(first.start, first.length, MADV_COLLAPSE);
	range_map(first);
	madvise(first.start, first.length, MADV_HUGEPAGE);
	touch_pages(first.start, PAGE_BYTES);
	range_move(first, second);
	madvise(second.start, PAGE_BYTES, MADV_DONTNEED);
	madvise(second.start, second.length, MADV_COLLAPSE);
}

static void hurry_khugepaged(void)
{
	static const struct {
		const char *path, *value;
	} settings[] = {
		{ THP "khugepaged/scan_sleep_millisecs", "0" },
		{ THP "khugepaged/alloc_sleep_millisecs", "0" },
		{ THP "khugepaged/pages_to_scan", "4096" },
		{ THP "shmem_enabled", "advise" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!write_file(settings[i].path, settings[i].value))
			workload_skip("no %s: the kernel lacks CONFIG_TRANSPARENT_HUGEPAGE", settings[i].path);
}

static void prepare(struct shared *shared, unsigned long memory_mib)
{
	size_t bytes;

	hurry_khugepaged();
	use_huge_zero_page();
	shared->notifiers_fd = notifiers_open();
	shared->shmem_fd = memfd_create("huge", MFD_CLOEXEC);
	if (shared->shmem_fd < 0 ||
	    ftruncate(shared->shmem_fd, (off_t)(SHMEM_CELLS * ARENA_CELL_BYTES)) < 0)
		workload_fail("memfd");
	shared->hugetlb_fd = open_hugetlb();
	arena_reserve(&shared->arena, memory_mib * MIB);
	bytes = shared->arena.cells * ARENA_CELL_BYTES;
	notifiers_add(shared->notifiers_fd, SPLAT_MN_HLIST, shared->arena.base, bytes);
	notifiers_add(shared->notifiers_fd, SPLAT_MN_INTERVAL, shared->arena.base, bytes);
	huge_look_open(&shared->look);
	do_once(shared);
}

static int huge_main(int argc, char **argv)
{
	struct workload workload = { .name = "huge", .disturbed = true, .duration_ms = 2500, .memory_mib = 48 };
	static struct shared shared;
	uint64_t done;

	workload_start(&workload, argc, argv);
	prepare(&shared, workload.memory_mib);
	done = race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]),
		    &shared);
	printf("done operations %" PRIu64 "\n", done);
	return 0;
}

PROGRAM("huge", huge_main);
