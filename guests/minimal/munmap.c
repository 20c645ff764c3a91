// SPDX-License-Identifier: MIT
/*
 * munmap: threads map, unmap, move, protect, advise and fork anonymous, file, shmem and huge
 * memory in one arena, on which an hlist notifier and a changing interval notifier are
 * registered. Any system call here may fail because another thread was faster; that is
 * intended.
 */
#include "arena.h"
#include "notifiers.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "rare_calls.h"
#include "workload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 4
#define RARE_CALLS 4
#define FILE_BYTES (4 * MIB)
/* The file is on a ramfs, which is plain page cache; tmpfs would be shmem again. */
#define FILE_PATH "/run/munmap"
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

struct shared {
	struct arena arena;
	int file_fd;
	int shmem_fd;
	int notifiers_fd;
	uint32_t interval_id;
	pthread_mutex_t interval_lock;
};

static struct range pick(struct racer *racer)
{
	struct shared *shared = racer->shared;

	return arena_pick(&shared->arena, &racer->random);
}

static unsigned char any_byte(struct racer *racer)
{
	return (unsigned char)random_next(&racer->random);
}

static void map_anonymous(struct racer *racer)
{
	struct range range = pick(racer);

	range_map(range);
	range_write(range, any_byte(racer));
}

static void map_fd(struct racer *racer, int fd)
{
	struct range range = pick(racer);
	/* The offset follows the address, so that it is always inside the file. */
	off_t offset = (off_t)((uintptr_t)range.start % ARENA_CELL_BYTES);
	int sharing = random_below(&racer->random, 2) ? MAP_SHARED : MAP_PRIVATE;

	mmap(range.start, range.length, PROT_READ | PROT_WRITE, sharing | MAP_FIXED, fd, offset);
	range_read(range);
	range_write(range, any_byte(racer));
}

static void map_file(struct racer *racer)
{
	map_fd(racer, ((struct shared *)racer->shared)->file_fd);
}

static void map_shmem(struct racer *racer)
{
	map_fd(racer, ((struct shared *)racer->shared)->shmem_fd);
}

static void map_huge(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = arena_pick_cell(&shared->arena, &racer->random);

	range_map(range);
	madvise(range.start, range.length, MADV_HUGEPAGE);
	range.length = PAGE_BYTES;
	range_write(range, any_byte(racer));
}

static void unmap(struct racer *racer)
{
	range_unmap(pick(racer));
}

static void move(struct racer *racer)
{
	struct range from = pick(racer), to = pick(racer);

	range_move(from, to);
}

static void protect(struct racer *racer)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct range range = pick(racer);

	mprotect(range.start, range.length, protections[random_below(&racer->random, 3)]);
}

static void advise(struct racer *racer)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_FREE,	MADV_COLD,   MADV_PAGEOUT,
		MADV_REMOVE,   MADV_MERGEABLE,	MADV_UNMERGEABLE,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE, MADV_POPULATE_WRITE,
	};
	struct range range = pick(racer);
	size_t which = random_below(&racer->random, sizeof(advice) / sizeof(advice[0]));

	madvise(range.start, range.length, advice[which]);
}

static void touch(struct racer *racer)
{
	range_read(pick(racer));
	range_write(pick(racer), any_byte(racer));
}

static void touch_and_unmap(struct racer *racer)
{
	touch(racer);
	unmap(racer);
	touch(racer);
}

/* Forks: the child writes and so ends the sharing of pages. */
static void fork_child(struct racer *racer)
{
	race_in_child(racer, touch_and_unmap);
}

/* Punches pages out of a file while it is mapped; the kernel finds the mappings through i_mmap. */
static void punch(struct racer *racer)
{
	struct shared *shared = racer->shared;
	off_t offset = (off_t)(random_below(&racer->random, FILE_BYTES / PAGE_BYTES) * PAGE_BYTES);

	if (random_below(&racer->random, 2)) {
		fallocate(shared->shmem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
			  (off_t)(16 * PAGE_BYTES));
		return;
	}
	if (ftruncate(shared->file_fd, offset) < 0 ||
	    ftruncate(shared->file_fd, (off_t)FILE_BYTES) < 0)
		workload_fail("truncate " FILE_PATH);
}

/* Moves the interval notifier, which races with the invalidations of the other threads. */
static void renotify(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = arena_pick_cell(&shared->arena, &racer->random);

	pthread_mutex_lock(&shared->interval_lock);
	notifiers_remove(shared->notifiers_fd, shared->interval_id);
	shared->interval_id = notifiers_add(shared->notifiers_fd, SPLAT_MN_INTERVAL, range.start,
					    range.length);
	pthread_mutex_unlock(&shared->interval_lock);
}

/* Makes several calls, because each is one of many kinds. */
static void call_rarely(struct racer *racer)
{
	struct shared *shared = racer->shared;

	for (int i = 0; i < RARE_CALLS; i++)
		rare_call(&shared->arena, shared->shmem_fd, &racer->random);
}

static const struct operation operations[] = {
	{ "map-anonymous", map_anonymous }, { "map-file", map_file },
	{ "map-shmem", map_shmem },	    { "map-huge", map_huge },
	{ "unmap", unmap },		    { "move", move },
	{ "protect", protect },		    { "advise", advise },
	{ "touch", touch },		    { "fork", fork_child },
	{ "punch", punch },		    { "renotify", renotify },
	{ "rare", call_rarely },	    { "rare", call_rarely },
};

static void prepare(struct shared *shared, unsigned long memory_mib)
{
	char *base;
	size_t bytes;

	shared->notifiers_fd = notifiers_open();
	arena_reserve(&shared->arena, memory_mib * MIB - 2 * FILE_BYTES);
	base = shared->arena.base;
	bytes = shared->arena.cells * ARENA_CELL_BYTES;
	notifiers_add(shared->notifiers_fd, SPLAT_MN_HLIST, base, bytes);
	notifiers_add(shared->notifiers_fd, SPLAT_MN_INTERVAL, base, bytes);
	shared->interval_id = notifiers_add(shared->notifiers_fd, SPLAT_MN_INTERVAL, base,
					    ARENA_CELL_BYTES);
	pthread_mutex_init(&shared->interval_lock, NULL);

	shared->file_fd = open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	shared->shmem_fd = memfd_create("munmap", MFD_CLOEXEC);
	if (shared->file_fd < 0 || ftruncate(shared->file_fd, (off_t)FILE_BYTES) < 0)
		workload_fail(FILE_PATH);
	unlink(FILE_PATH);
	if (shared->shmem_fd < 0 || ftruncate(shared->shmem_fd, (off_t)FILE_BYTES) < 0)
		workload_fail("memfd");
}

static int munmap_main(int argc, char **argv)
{
	struct workload workload = { .name = "munmap", .disturbed = true, .duration_ms = 3000, .memory_mib = 48 };
	static struct shared shared;
	uint64_t done;

	workload_start(&workload, argc, argv);
	prepare(&shared, workload.memory_mib);
	done = race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]),
		    &shared);
	close(shared.notifiers_fd);
	printf("done operations %" PRIu64 "\n", done);
	return 0;
}

PROGRAM("munmap", munmap_main);
