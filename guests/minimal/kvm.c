// SPDX-License-Identifier: MIT
/*
 * kvm: a machine runs in an arena that is mapped, unmapped, moved, paged out and taken from its
 * memory slots under its feet, in a guest short of memory, while a slow notifier draws out the
 * invalidations; meanwhile another process that owns a machine, and no other notifier, is killed
 * for its memory, and reaped. Calls may fail because another thread was faster.
 */
#include "arena.h"
#include "doomed.h"
#include "events.h"
#include "memory.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "slow_notifier.h"
#include "virtual_machine.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 3
#define PAGES_A_RUN 16
#define UNPLUGGED_US 4000 /* the longest time without the slot */
#define VICTIM_BYTES (2 * MIB)
#define VICTIM_LIMIT_KIB (6ul << 10)

struct shared {
	struct arena arena;
	struct virtual_machine machine;
	pthread_mutex_t cpu_lock;
	pthread_mutex_t slot_lock;
	atomic_uint_fast64_t runs; /* runs that reached their end */
};

static struct range pick(struct racer *racer)
{
	struct shared *shared = racer->shared;

	return arena_pick(&shared->arena, &racer->random);
}

/*
 * Runs the machine several times, since a run takes much less time than the reclaim of the
 * other operations.
 */
static void run(struct racer *racer)
{
	struct shared *shared = racer->shared;

	pthread_mutex_lock(&shared->cpu_lock);
	for (int i = 0; i < 5; i++) {
		struct range range = pick(racer);

		if (machine_touch(&shared->machine, (size_t)(range.start - shared->arena.base),
				  range.length, PAGES_A_RUN))
			shared->runs++;
	}
	pthread_mutex_unlock(&shared->cpu_lock);
}

static void map(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = arena_pick_cell(&shared->arena, &racer->random);

	range_map(range);
	if (random_below(&racer->random, 2))
		madvise(range.start, range.length, MADV_HUGEPAGE);
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
	struct range range = pick(racer);

	mprotect(range.start, range.length,
		 random_below(&racer->random, 2) ? PROT_READ : PROT_READ | PROT_WRITE);
}

static void page_out(struct racer *racer)
{
	struct range range = pick(racer);

	madvise(range.start, range.length, MADV_PAGEOUT);
}

static void touch(struct racer *racer)
{
	range_write(pick(racer), (unsigned char)random_next(&racer->random));
}

/*
 * One thread at a time: a slot that is there cannot be made again. The machine is without memory for a moment, so that an
 * invalidation may begin before the slot goes or comes and end after that.
 */
static void replug(struct racer *racer)
{
	struct shared *shared = racer->shared;

	if (pthread_mutex_trylock(&shared->slot_lock) != 0)
		return;
	machine_set_memory(&shared->machine, shared->arena.base, 0);
	usleep((useconds_t)random_below(&racer->random, UNPLUGGED_US));
	machine_set_memory(&shared->machine, shared->arena.base,
			   shared->arena.cells * ARENA_CELL_BYTES);
	pthread_mutex_unlock(&shared->slot_lock);
}

static const struct operation operations[] = {
	{ "map", map },	    { "run", run },	    { "unmap", unmap },	      { "touch", touch },
	{ "move", move },   { "run", run },	    { "protect", protect },   { "page-out", page_out },
	{ "replug", replug }, { "hold", slow_notifier_hold },
};

static void prepare_victim(const void *context)
{
	struct virtual_machine machine;
	char *memory = map_small_pages(VICTIM_BYTES);

	(void)context;
	machine_create(&machine, &machine_plain);
	machine_set_memory(&machine, memory, VICTIM_BYTES);
	errno = 0;
	if (!machine_touch(&machine, 0, VICTIM_BYTES, VICTIM_BYTES / PAGE_BYTES))
		workload_fail("a machine did not run");
}

static void provoke_victim(const void *context)
{
	(void)context;
	eat_memory(2 * VICTIM_LIMIT_KIB * 1024);
}

static void prepare(struct shared *shared, unsigned long memory_mib)
{
	size_t bytes;

	pthread_mutex_init(&shared->cpu_lock, NULL);
	pthread_mutex_init(&shared->slot_lock, NULL);
	arena_reserve(&shared->arena, memory_mib * MIB);
	bytes = shared->arena.cells * ARENA_CELL_BYTES;
	if (!range_map((struct range){ .start = shared->arena.base, .length = bytes }))
		workload_fail("map the arena");
	slow_notifier_register();
	machine_create(&shared->machine, &machine_plain);
	machine_set_memory(&shared->machine, shared->arena.base, bytes);
}

/*
 * Fills the memory from the process, which takes a tenth of the time that the machine would
 * take.
 */
static void fill(struct shared *shared)
{
	struct range all = { .start = shared->arena.base,
			     .length = shared->arena.cells * ARENA_CELL_BYTES };

	if (machine_touch(&shared->machine, 0, all.length, PAGES_A_RUN))
		shared->runs++;
	range_write(all, 1);
}

static int kvm_main(int argc, char **argv)
{
	static const struct victim_life life = { .prepare = prepare_victim,
						 .provoke = provoke_victim };
	struct workload workload = { .name = "kvm",
				     .duration_ms = 2500,
				     .memory_mib = 16,
				     .reap_timeout_ms = 30000 };
	static struct shared shared;
	static struct doomed victim;
	uint64_t reaps;
	bool counts;

	workload_start(&workload, argc, argv);
	prepare(&shared, workload.memory_mib);
	/*
	 * The event exists since 5.13. On older kernels only the run of the reaper and of the
	 * notifier is known.
	 */
	counts = events_count("kvm/kvm_unmap_hva_range", "COMM == \"oom_reaper\"");
	doomed_start(&victim, "machine", VICTIM_LIMIT_KIB, &life);
	doomed_release(&victim);
	memory_squeeze(workload.memory_mib * MIB / 4 * 3);
	/* However slow the host is, a machine has run and has been swapped out by then. */
	fill(&shared);
	race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]), &shared);
	memory_relax();
	doomed_finish(&victim, workload.reap_timeout_ms);

	reaps = events_counted();
	printf("done runs %" PRIuFAST64 " unmapped by oom_reaper %" PRIu64 "\n", shared.runs, reaps);
	errno = 0;
	if (shared.runs == 0)
		workload_fail("the machine never ran to its end");
	if (counts && reaps == 0)
		workload_fail("the OOM reaper unmapped nothing from a machine");
	return 0;
}

PROGRAM("kvm", kvm_main);
