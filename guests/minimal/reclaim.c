// SPDX-License-Identifier: MIT
/*
 * reclaim: memory pressure on the whole guest, since neither memory.reclaim nor MADV_PAGEOUT
 * holds fs_reclaim. Threads touch an arena twice as large as the memory that is left: kswapd
 * and the threads themselves swap it out, compaction migrates it, and KSM merges it. It is
 * below both kinds of notifier, and nothing in it is mapped or unmapped, so the kernel alone
 * causes every callback.
 */
#include "arena.h"
#include "files.h"
#include "memory.h"
#include "notifiers.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"
#include "zram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3
#define KSM "/sys/kernel/mm/ksm/"
#define COMPACT "/proc/sys/vm/compact_memory"
#define MIGRATED "pgmigrate_success"

static void write_some(struct racer *racer)
{
	range_write(arena_pick(racer->shared, &racer->random),
		    (unsigned char)random_next(&racer->random));
}

/* Only the last cell is merged, so that ksmd gets through it during a short trial. */
static struct range merged_cell(const struct arena *arena)
{
	return (struct range){ arena->base + (arena->cells - 1) * ARENA_CELL_BYTES,
			       ARENA_CELL_BYTES };
}

static void make_equal(struct range range)
{
	for (size_t at = 0; at < range.length; at += PAGE_BYTES)
		memset(range.start + at, 0x5a, PAGE_BYTES);
}

/* Some pages of the merged cell. */
static struct range pick_merged(struct racer *racer)
{
	struct range cell = merged_cell(racer->shared);
	size_t length = 16 * PAGE_BYTES;

	return (struct range){
		cell.start + random_below(&racer->random, cell.length / length) * length,
		length,
	};
}

static void write_equal(struct racer *racer)
{
	make_equal(pick_merged(racer));
}

/* Writes to a merged page, which copies it. */
static void break_merged(struct racer *racer)
{
	range_write(pick_merged(racer), (unsigned char)random_next(&racer->random));
}

static void read_some(struct racer *racer)
{
	range_read(arena_pick(racer->shared, &racer->random));
}

static void compact(struct racer *racer)
{
	if (random_below(&racer->random, 8) == 0)
		write_file(COMPACT, "1");
}

#define COMPACTIONS 20

/*
 * Compacts memory until a page has been migrated. Compaction finds nothing to move when the
 * pages in use happen to be at one end of their zone: then the arena's pages are swapped in
 * somewhere else first.
 */
static void migrate_some(const struct arena *arena, uint64_t before)
{
	size_t part = arena->cells * ARENA_CELL_BYTES / 4;
	uint64_t now;

	for (unsigned i = 0; i < COMPACTIONS; i++) {
		write_file(COMPACT, "1");
		if (!vmstat(MIGRATED, &now) || now != before)
			return;
		touch_pages(arena->base + i % 4 * part, part);
	}
}

#define LEAVING 3
#define OPERATIONS 6
/* How many milliseconds the first look waits until something is merged. */
#define MERGING_MS 3000

static bool is_merged(unsigned long patience_ms)
{
	char text[32] = "0";

	for (unsigned long waited = 0; waited <= patience_ms; waited += 10) {
		if (read_file(KSM "pages_sharing", text, sizeof(text)) && strtoul(text, NULL, 10) > 0)
			return true;
		pause_ms(10);
	}
	return false;
}

/*
 * Starts children that have copies of the merged pages, and that end some milliseconds after
 * the pipe is closed.
 */
static void start_sharing(const int pipe_fds[2], pid_t children[LEAVING])
{
	for (useconds_t i = 0; i < LEAVING; i++) {
		char byte;

		children[i] = fork();
		if (children[i] != 0)
			continue;
		close(pipe_fds[1]);
		while (read(pipe_fds[0], &byte, 1) < 0 && errno == EINTR)
			;
		usleep(4000 * (2 * i + 1));
		_exit(0);
	}
}

/*
 * Unmerges everything while processes that share some of the pages end. By then their copies
 * are the only ones; the unmerging goes on as soon as a page's owner ends, and checks in the
 * end whether any owner is left. A signal would stop the unmerging early. Then the pages are
 * merged again.
 */
static void unmerge_once(struct racer *racer)
{
	struct range cell = merged_cell(racer->shared);
	pid_t children[LEAVING];
	sigset_t all, former;
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		workload_fail("pipe");
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &former);
	start_sharing(pipe_fds, children);
	madvise(cell.start, cell.length, MADV_UNMERGEABLE);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	write_file(KSM "run", "2");
	for (int i = 0; i < LEAVING; i++)
		while (children[i] > 0 && waitpid(children[i], NULL, 0) < 0 && errno == EINTR)
			;
	madvise(cell.start, cell.length, MADV_MERGEABLE);
	write_file(KSM "run", "1");
	pthread_sigmask(SIG_SETMASK, &former, NULL);
}

/*
 * Unmerges a few times for certain, and later seldom, because merging takes longer than the
 * rest of a trial.
 */
static void unmerge(struct racer *racer)
{
	bool is_first = racer->operations < OPERATIONS;

	if (racer->index != 0 || (!is_first && random_below(&racer->random, 4)))
		return;
	for (int rounds = is_first ? 3 : 1; rounds > 0 && is_merged(is_first ? MERGING_MS : 0); rounds--)
		unmerge_once(racer);
}

static const struct operation operations[] = {
	{ "write-some", write_some },	  { "read-some", read_some }, { "write-equal", write_equal },
	{ "break-merged", break_merged }, { "compact", compact },     { "unmerge", unmerge },
};

/* Starts KSM, with settings that merge the cell during a short trial. */
static void start_merging(void)
{
	static const struct {
		const char *path, *value;
	} settings[] = {
		{ KSM "sleep_millisecs", "10" },
		{ KSM "pages_to_scan", "500" },
		{ KSM "run", "1" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!write_file(settings[i].path, settings[i].value))
			workload_fail("write %s", settings[i].path);
}

static void prepare(struct arena *arena, size_t bytes)
{
	size_t length;
	int fd = notifiers_open();

	arena_reserve(arena, bytes);
	length = arena->cells * ARENA_CELL_BYTES;
	if (!range_map((struct range){ .start = arena->base, .length = length }))
		workload_fail("map the arena");
	/* Half of the arena is in huge pages, which are split when they are swapped. */
	madvise(arena->base, length / ARENA_CELL_BYTES / 2 * ARENA_CELL_BYTES, MADV_HUGEPAGE);
	if (madvise(merged_cell(arena).start, ARENA_CELL_BYTES, MADV_MERGEABLE) < 0)
		workload_skip("no KSM");
	make_equal(merged_cell(arena));
	notifiers_add(fd, SPLAT_MN_HLIST, arena->base, length);
	notifiers_add(fd, SPLAT_MN_INTERVAL, arena->base, length);
}

static int reclaim_main(int argc, char **argv)
{
	struct workload workload = { .name = "reclaim", .disturbed = true, .duration_ms = 2500, .memory_mib = 24 };
	static struct arena arena;
	struct zram zram;
	uint64_t done, migrated;

	workload_start(&workload, argc, argv);
	errno = 0;
	if (meminfo_kib("SwapTotal") == 0)
		workload_skip("no swap: anonymous memory cannot be reclaimed");
	/*
	 * Half of all seeds swap to compressed memory, where huge pages need not be split
	 * first.
	 */
	if (workload.seed % 2)
		zram_swap_on(&zram, 2 * workload.memory_mib * MIB);
	prepare(&arena, workload.memory_mib * MIB);
	vmstat(MIGRATED, &migrated);
	start_merging();
	memory_squeeze(workload.memory_mib / 2 * MIB);
	/* This happens however slow the host is. */
	touch_pages(arena.base, arena.cells * ARENA_CELL_BYTES);
	memory_stall();
	migrate_some(&arena, migrated);
	done = race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]),
		    &arena);
	memory_relax();
	printf("done operations %" PRIu64 "\n", done);
	return 0;
}

PROGRAM("reclaim", reclaim_main);
