// SPDX-License-Identifier: MIT
/*
 * content: memory that is swapped, split, collapsed, moved, copied and migrated, and must still
 * contain what was written to it. Each thread has plots of its own (plot.h), of anonymous
 * memory and of shmem, which only it writes to. Reclaim, compaction, khugepaged and swapoff
 * affect the plots of all threads. Swap is on a zram disk if there is one: such a disk does not
 * rotate, so huge pages are swapped to it as a whole.
 */
#include "content_ways.h"
#include "files.h"
#include "plot.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "swap.h"
#include "workload.h"
#include "zram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3
#define PLOT_CELLS 2
#define PLOT_BYTES (PLOT_CELLS * ARENA_CELL_BYTES)
#define CELL_PAGES (ARENA_CELL_BYTES / PAGE_BYTES)
#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

struct field {
	struct plot plots[PLOT_KINDS];
	int shared_fd; /* the file behind the shared plots */
	char *spare; /* free addresses that memory is moved to */
};

struct shared {
	struct field fields[THREADS];
	struct content_ways ways;
	struct zram zram;
};

static struct plot *plot_of(const struct racer *racer, enum plot_kind kind)
{
	struct shared *shared = racer->shared;

	return &shared->fields[racer->index].plots[kind];
}

/* A plot of the racer's own. */
static struct plot *pick(struct racer *racer)
{
	return plot_of(racer, (enum plot_kind)random_below(&racer->random, PLOT_KINDS));
}

static void pick_pages(struct racer *racer, const struct plot *plot, size_t *first, size_t *count)
{
	*first = random_below(&racer->random, plot->pages);
	*count = 1 + random_below(&racer->random, 1ul << random_below(&racer->random, 8));
	if (*count > plot->pages - *first)
		*count = plot->pages - *first;
}

static void write_some(struct racer *racer)
{
	struct plot *plot = pick(racer);
	size_t first, count;

	pick_pages(racer, plot, &first, &count);
	plot_check(plot, first, count, "before a write");
	plot_write(plot, first, count);
	plot_check(plot, first, count, "after a write");
}

static void write_cell(struct racer *racer)
{
	struct plot *plot = pick(racer);
	size_t first = random_below(&racer->random, PLOT_CELLS) * CELL_PAGES;

	madvise(plot->base + first * PAGE_BYTES, ARENA_CELL_BYTES,
		random_below(&racer->random, 8) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	plot_write(plot, first, CELL_PAGES);
}

struct peeker {
	pthread_t thread;
	char *start;
	atomic_bool over;
};

/* The life of a thread that reads what the owner swaps out, while it may still be on its way. */
static void *peek(void *argument)
{
	struct peeker *peeker = argument;

	while (!peeker->over)
		for (size_t i = 0; i < CELL_PAGES && !peeker->over; i += 7)
			(void)*(volatile char *)(peeker->start + i * PAGE_BYTES);
	return NULL;
}

static void start_peeker(struct peeker *peeker)
{
	/* The kernel chooses the place of its stack. */
	pthread_rwlock_rdlock(&content_places);
	errno = pthread_create(&peeker->thread, NULL, peek, peeker);
	pthread_rwlock_unlock(&content_places);
	if (errno != 0)
		workload_fail("start a thread that looks");
}

/*
 * Swaps one huge page out as a whole and back in as small pages, while another thread reads it.
 * Some of it then stays mapped, and is split before it is swapped again. The mapping is new
 * each time, because a mapping that was swapped once keeps its table of small pages.
 */
static void swap_huge_page(struct racer *racer)
{
	struct plot *plot = plot_of(racer, ANONYMOUS);
	size_t first = random_below(&racer->random, PLOT_CELLS) * CELL_PAGES;
	struct peeker peeker = { .start = plot->base + first * PAGE_BYTES };

	if (!range_map((struct range){ peeker.start, ARENA_CELL_BYTES }))
		workload_fail("map a huge page anew");
	madvise(peeker.start, ARENA_CELL_BYTES, MADV_HUGEPAGE);
	plot_zeroed(plot, first, CELL_PAGES);
	plot_write(plot, first, CELL_PAGES);
	start_peeker(&peeker);
	for (int i = 0; i < 3; i++)
		madvise(peeker.start, ARENA_CELL_BYTES, MADV_PAGEOUT);
	peeker.over = true;
	pthread_join(peeker.thread, NULL);
	plot_check(plot, first, CELL_PAGES, "after a huge page was swapped");
}

#define PEEKERS 3
#define OPERATIONS 12

static void start_peekers(const struct plot *plot, struct peeker peekers[PEEKERS])
{
	for (size_t i = 0; i < PEEKERS; i++) {
		peekers[i] = (struct peeker){
			.start = plot->base + i % PLOT_CELLS * ARENA_CELL_BYTES
		};
		start_peeker(&peekers[i]);
	}
}

static void stop_peekers(struct peeker peekers[PEEKERS])
{
	for (size_t i = 0; i < PEEKERS; i++) {
		peekers[i].over = true;
		pthread_join(peekers[i].thread, NULL);
	}
}

static void read_maps(void)
{
	char text[4096];
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
		;
	if (fd >= 0)
		close(fd);
}

/*
 * Maps a swapped file once more as a private writable copy. For such a mapping the kernel
 * counts the pages in swap one by one if there is a page table, and threads that also want the
 * processor interrupt it there. Then the copy is read.
 */
static void look_at_maps(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct plot *plot = plot_of(racer, SHARED);
	size_t bytes = plot->pages * PAGE_BYTES, first = random_below(&racer->random, plot->pages - 16);
	struct peeker peekers[PEEKERS];
	char *copy;

	plot_write(plot, 0, plot->pages);
	madvise(plot->base, bytes, MADV_PAGEOUT);
	pthread_rwlock_rdlock(&content_places);
	copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    shared->fields[racer->index].shared_fd, 0);
	pthread_rwlock_unlock(&content_places);
	if (copy == MAP_FAILED)
		return;
	for (size_t at = 0; at < bytes; at += ARENA_CELL_BYTES)
		(void)*(volatile char *)(copy + at);
	start_peekers(plot_of(racer, ANONYMOUS), peekers);
	/*
	 * More than once at the first time, since chance decides whether the kernel is
	 * interrupted.
	 */
	for (int i = racer->operations < OPERATIONS ? 6 : 2; i > 0; i--)
		read_maps();
	stop_peekers(peekers);
	plot_check_copy(plot, first, 16, copy + first * PAGE_BYTES, "through a private copy");
	munmap(copy, bytes);
}

static void read_some(struct racer *racer)
{
	struct plot *plot = pick(racer);
	size_t first, count;

	pick_pages(racer, plot, &first, &count);
	plot_check(plot, first, count, "at rest");
}

static void treat(struct racer *racer)
{
	struct shared *shared = racer->shared;

	enum plot_kind kind = (enum plot_kind)random_below(&racer->random, PLOT_KINDS);

	content_treat(&shared->ways, plot_of(racer, kind), kind, &racer->random);
}

static bool move_piece(char *from, size_t length, char *to)
{
	return mremap(from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
}

/*
 * Moves memory to the spare addresses: the page tables change, the pages stay. It moves in two
 * pieces, and the second may lie across huge pages. Kernels before 6.17 do not move a piece
 * that consists of several mappings.
 */
static void move_plot(struct racer *racer, struct field *field, struct plot *plot)
{
	size_t bytes = plot->pages * PAGE_BYTES, half = bytes / 2;
	char *to = field->spare, *from = plot->base;

	madvise(from, bytes, MADV_HUGEPAGE);
	if (random_below(&racer->random, 2))
		half -= PAGE_BYTES * (1 + random_below(&racer->random, 8));
	if (!move_piece(from, half, to))
		return;
	if (!move_piece(from + half, bytes - half, to + half)) {
		if (!move_piece(to, half, from))
			workload_fail("move a plot back");
	} else {
		plot->base = to;
		field->spare = from;
	}
	if (mmap(field->spare, bytes, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		workload_fail("keep the place of a plot");
}

static void move(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct plot *plot = pick(racer);

	pthread_rwlock_wrlock(&content_places);
	move_plot(racer, &shared->fields[racer->index], plot);
	pthread_rwlock_unlock(&content_places);
	plot_check(plot, 0, plot->pages, "after mremap");
}

/*
 * Checks the plots in a child, which has a copy of the anonymous plots and shares the others.
 * What it writes to the copies is not seen by the parent.
 */
static void check_in_child(struct racer *racer)
{
	struct plot *plots = plot_of(racer, ANONYMOUS);

	for (size_t i = 0; i < PLOT_KINDS; i++)
		plot_check(&plots[i], 0, plots[i].pages, "in a child");
	plot_write(plots, 0, 8);
	plot_check(plots, 0, 16, "in a child that wrote");
}

static void fork_child(struct racer *racer)
{
	struct plot *plot = plot_of(racer, ANONYMOUS);
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		check_in_child(racer);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CORRUPTED)
		_exit(EXIT_CORRUPTED);
	plot_check(plot, 0, plot->pages, "after a child wrote to its copy");
}

/* Disturbs what all threads share; only one thread does it. */
static void disturb(struct racer *racer)
{
	struct shared *shared = racer->shared;

	if (racer->index == 0)
		content_disturb(&shared->zram, &racer->random);
	else
		read_some(racer);
}

static const struct operation operations[] = {
	{ "write-cell", write_cell }, { "treat", treat },	    { "read-some", read_some },
	{ "treat", treat },		  { "fork", fork_child },   { "write-some", write_some },
	{ "treat", treat },		  { "move", move },	    { "treat", treat },
	{ "swap-huge-page", swap_huge_page }, { "look-at-maps", look_at_maps },
	{ "disturb", disturb },
};

static void make_field(struct shared *shared, unsigned index)
{
	static const char *const names[PLOT_KINDS] = { "anonymous memory", "shared memory",
							"a private copy of a file" };
	size_t bytes = PLOT_BYTES;
	struct field *field = &shared->fields[index];
	struct arena arena;

	arena_reserve(&arena, (PLOT_KINDS + 1) * bytes);
	for (unsigned i = 0; i < PLOT_KINDS; i++) {
		char *base = arena.base + i * bytes;
		int fd = i == ANONYMOUS ? -1 : memfd_create("plot", MFD_CLOEXEC);
		int flags = i == ANONYMOUS ? MAP_PRIVATE | MAP_ANONYMOUS :
			    i == SHARED	   ? MAP_SHARED :
					     MAP_PRIVATE;

		if (fd >= 0 && ftruncate(fd, (off_t)bytes) < 0)
			workload_fail("memfd");
		if (mmap(base, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
			workload_fail("map a plot");
		if (i == SHARED)
			field->shared_fd = fd;
		else if (fd >= 0)
			close(fd);
		plot_make(&field->plots[i], index * PLOT_KINDS + i, names[i], base, bytes / PAGE_BYTES);
	}
	field->spare = arena.base + PLOT_KINDS * bytes;
}

static int content_main(int argc, char **argv)
{
	struct workload workload = { .name = "content", .disturbed = true, .duration_ms = 2500, .memory_mib = 48 };
	static struct shared shared;
	uint64_t done;

	workload_start(&workload, argc, argv);
	write_file(KHUGEPAGED "scan_sleep_millisecs", "0");
	write_file(SHMEM_ENABLED, "advise");
	if (!zram_swap_on(&shared.zram, 2 * workload.memory_mib * MIB))
		printf("no zram: swap is a disk that rotates\n");
	content_ways_open(&shared.ways);
	for (unsigned i = 0; i < THREADS; i++)
		make_field(&shared, i);
	_Static_assert(sizeof(operations) / sizeof(operations[0]) == OPERATIONS, "the table's length");
	done = race(&workload, THREADS, operations, OPERATIONS, &shared);
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned j = 0; j < PLOT_KINDS; j++)
			plot_check_all(&shared.fields[i].plots[j], "at the end");
	zram_swap_off(&shared.zram);
	printf("done operations %" PRIu64 "\n", done);
	return 0;
}

PROGRAM("content", content_main);
