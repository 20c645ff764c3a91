// SPDX-License-Identifier: MIT
/*
 * userfaultfd: an arena of anonymous memory, shmem and huge pages, whose faults another thread
 * answers (faults.h). At the same time the arena is mapped, unmapped, moved, dropped,
 * collapsed, paged out, protected and forked. Meanwhile a process that waits in such a fault is
 * killed for its memory, and reaped. Calls may fail because another thread was faster.
 */
#include "arena.h"
#include "doomed.h"
#include "faults.h"
#include "memory.h"
#include "notifiers.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 4
#define WATCHERS 3
#define MOST_TOUCHED 8 /* pages; each may be a fault that has to be answered */
#define SHMEM_BYTES (4 * MIB)
#define VICTIM_BYTES (2 * MIB)
#define VICTIM_LIMIT_KIB (6ul << 10)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct shared {
	struct arena arena;
	struct faults faults;
	atomic_int watchers[WATCHERS];
	pthread_rwlock_t children; /* held to read by a thread that makes a child, to write by one that closes a watcher */
	int shmem_fd;
};

static struct range pick(struct racer *racer)
{
	struct shared *shared = racer->shared;

	if (random_below(&racer->random, 3) == 0)
		return arena_pick_cells(&shared->arena, &racer->random, 2);
	return arena_pick(&shared->arena, &racer->random);
}

static int watcher_of(struct racer *racer)
{
	struct shared *shared = racer->shared;

	return shared->watchers[random_below(&racer->random, WATCHERS)];
}

static struct uffdio_range watched(struct range range)
{
	return (struct uffdio_range){ (uintptr_t)range.start, range.length };
}

static void watch(struct racer *racer)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING,
		UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MINOR,
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
	};
	struct shared *shared = racer->shared;
	struct range range = pick(racer);
	/* The offset follows the address, so that it is always inside the file. */
	off_t offset = (off_t)((uintptr_t)range.start % ARENA_CELL_BYTES);
	struct uffdio_register request = { .range = watched(range) };

	if (random_below(&racer->random, 2))
		range_map(range);
	else
		mmap(range.start, range.length, PROT_READ | PROT_WRITE,
		     MAP_FIXED | (random_below(&racer->random, 4) ? MAP_SHARED : MAP_PRIVATE),
		     shared->shmem_fd, offset);
	if (random_below(&racer->random, 2))
		madvise(range.start, range.length, MADV_HUGEPAGE);
	/*
	 * Some pages exist already; they are then protected, or mapped anew from the file's
	 * pages.
	 */
	range_write((struct range){ range.start, PAGE_BYTES }, 1);
	request.mode = modes[random_below(&racer->random, sizeof(modes) / sizeof(modes[0]))];
	ioctl(watcher_of(racer), UFFDIO_REGISTER, &request);
	if (range.length > MOST_TOUCHED * PAGE_BYTES)
		range.length = MOST_TOUCHED * PAGE_BYTES;
	range_read(range);
	range_write(range, 2);
}

static void unwatch(struct racer *racer)
{
	struct uffdio_range range = watched(pick(racer));

	ioctl(watcher_of(racer), UFFDIO_UNREGISTER, &range);
}

static void protect(struct racer *racer)
{
	struct range range = pick(racer);
	struct uffdio_writeprotect request = {
		.range = watched(range),
		.mode = random_below(&racer->random, 3) ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	ioctl(watcher_of(racer), UFFDIO_WRITEPROTECT, &request);
	range_write((struct range){ range.start, PAGE_BYTES }, 1);
}

/* Fills pages that nobody waits for yet. */
static void fill(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range to = arena_pick(&shared->arena, &racer->random);
	struct uffdio_zeropage zero = { .range = watched(to) };
	struct uffdio_continue go_on = { .range = watched(to) };
	struct faults_poison poison = { .range = { (uintptr_t)to.start, PAGE_BYTES } };

	switch (random_below(&racer->random, 4)) {
	case 0:
		ioctl(watcher_of(racer), UFFDIO_ZEROPAGE, &zero);
		return;
	case 1:
		madvise(to.start, to.length, MADV_DONTNEED);
		ioctl(watcher_of(racer), UFFDIO_CONTINUE, &go_on);
		return;
	case 2:
		ioctl(watcher_of(racer), FAULTS_POISON_IOCTL, &poison);
		return;
	default:
		madvise(to.start, to.length, MADV_REMOVE);
	}
}

static void give_away(struct racer *racer)
{
	struct range from = pick(racer), to = pick(racer);
	struct faults_move request = {
		.dst = (uintptr_t)to.start,
		.src = (uintptr_t)from.start,
		.len = from.length < to.length ? from.length : to.length,
	};

	ioctl(watcher_of(racer), FAULTS_MOVE_IOCTL, &request);
}

static void touch(struct racer *racer)
{
	struct shared *shared = racer->shared;

	range_read(arena_pick(&shared->arena, &racer->random));
	range_write(arena_pick(&shared->arena, &racer->random), (unsigned char)racer->operations);
}

static void advise(struct racer *racer)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE,	    MADV_PAGEOUT, MADV_COLLAPSE,
				      MADV_REMOVE,   MADV_NOHUGEPAGE, MADV_POPULATE_WRITE };
	struct range range = pick(racer);

	madvise(range.start, range.length,
		advice[random_below(&racer->random, sizeof(advice) / sizeof(advice[0]))]);
}

static void move(struct racer *racer)
{
	struct range from = pick(racer), to = pick(racer);

	if (to.length > from.length)
		to.length = from.length;
	range_move(from, to);
}

static void unmap(struct racer *racer)
{
	range_unmap(pick(racer));
}

static void fork_child(struct racer *racer)
{
	struct shared *shared = racer->shared;

	pthread_rwlock_rdlock(&shared->children);
	race_in_child(racer, touch);
	pthread_rwlock_unlock(&shared->children);
}

/* Closes a descriptor while threads may wait in its faults. */
static void renew(struct racer *racer)
{
	struct shared *shared = racer->shared;
	atomic_int *watcher = &shared->watchers[random_below(&racer->random, WATCHERS)];

	if (pthread_rwlock_trywrlock(&shared->children) != 0)
		return;
	if (*watcher >= 0)
		faults_close(&shared->faults, *watcher);
	*watcher = faults_open(&shared->faults);
	pthread_rwlock_unlock(&shared->children);
}

static const struct operation operations[] = {
	{ "watch", watch },	{ "touch", touch },   { "watch", watch },   { "touch", touch },
	{ "protect", protect }, { "fill", fill },     { "advise", advise }, { "move", move },
	{ "fork", fork_child }, { "touch", touch },   { "unwatch", unwatch }, { "unmap", unmap },
	{ "give-away", give_away }, { "renew", renew },
};

static void *wait_in_fault(void *page)
{
	touch_pages(page, PAGE_BYTES);
	return NULL;
}

/*
 * Prepares a victim: half of its memory is write-protected, and one of its threads waits for a
 * page that never comes.
 */
static void prepare_victim(const void *context)
{
	char *memory = map_small_pages(VICTIM_BYTES);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register protected = {
		.range = { (uintptr_t)memory, VICTIM_BYTES / 2 },
		.mode = UFFDIO_REGISTER_MODE_WP,
	}, missing = {
		.range = { (uintptr_t)memory + VICTIM_BYTES / 2, VICTIM_BYTES / 2 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_writeprotect protection = { .range = protected.range,
						  .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	pthread_t waiter;

	(void)context;
	notifiers_add(notifiers_open(), SPLAT_MN_INTERVAL, memory, VICTIM_BYTES);
	touch_pages(memory, VICTIM_BYTES / 2);
	if (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &missing) < 0)
		workload_fail("watch a victim");
	if (ioctl(fd, UFFDIO_REGISTER, &protected) == 0)
		ioctl(fd, UFFDIO_WRITEPROTECT, &protection);
	errno = pthread_create(&waiter, NULL, wait_in_fault, memory + VICTIM_BYTES / 2);
	if (errno != 0)
		workload_fail("start a thread that waits");
}

static void provoke_victim(const void *context)
{
	(void)context;
	eat_memory(2 * VICTIM_LIMIT_KIB * 1024);
}

static const struct victim_life victim_life = { .prepare = prepare_victim,
						.provoke = provoke_victim };

static void prepare(struct shared *shared, const struct workload *workload)
{
	faults_start(&shared->faults, workload->seed);
	pthread_rwlock_init(&shared->children, NULL);
	for (size_t i = 0; i < WATCHERS; i++)
		shared->watchers[i] = faults_open(&shared->faults);
	shared->shmem_fd = memfd_create("userfault", MFD_CLOEXEC);
	if (shared->shmem_fd < 0 || ftruncate(shared->shmem_fd, (off_t)SHMEM_BYTES) < 0)
		workload_fail("memfd");
	/* The arena is small, so that threads touch what other threads watch. */
	arena_reserve(&shared->arena, 4 * ARENA_CELL_BYTES);
}

static int userfault_main(int argc, char **argv)
{
	struct workload workload = { .name = "userfaultfd",
				     .disturbed = true,
				     .duration_ms = 2500,
				     .memory_mib = 16,
				     .reap_timeout_ms = 30000 };
	static struct shared shared;
	static struct doomed victim;
	uint64_t done;
	int fd;

	workload_start(&workload, argc, argv);
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOSYS)
		workload_skip("no userfaultfd: the kernel lacks CONFIG_USERFAULTFD");
	close(fd);
	doomed_start(&victim, "watched", VICTIM_LIMIT_KIB, &victim_life);
	doomed_release(&victim);
	prepare(&shared, &workload);
	done = race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]),
		    &shared);
	faults_stop(&shared.faults);
	doomed_finish(&victim, workload.reap_timeout_ms);
	printf("done operations %" PRIu64 " faults answered %" PRIu64 " events %" PRIu64 "\n", done,
	       shared.faults.answered, shared.faults.events);
	return 0;
}

PROGRAM("userfaultfd", userfault_main);
