// SPDX-License-Identifier: MIT
/*
 * hmm: an arena that two devices of the kernel's HMM test driver mirror; each device has an
 * interval notifier on it. Device accesses, migration to device memory and back, and the CPU's
 * own faults race with unmapping. Meanwhile a mirrored process is killed for its memory, and
 * reaped. Calls may fail because another thread was faster.
 *
 * Only the second device migrates and only the first reads and writes. The reason is a bug:
 * when a device of that driver is asked to access pages that have migrated to its own memory,
 * and an invalidation has dropped its mirror entries since, it takes the unmapped device pages
 * themselves for its backing store and oopses in dmirror_do_read() or dmirror_do_write() (seen
 * in Linux 6.1; lib/test_hmm.c of 6.12 is the same there). Pages of another device are faulted
 * back first.
 */
#include "arena.h"
#include "doomed.h"
#include "hmm_abi.h"
#include "hmm_lives.h"
#include "memory.h"
#include "notifiers.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 4
#define VICTIM_BYTES (2 * MIB)
#define VICTIM_LIMIT_KIB (8ul << 10)

enum device { ACCESSING, MIGRATING, DEVICES };

struct shared {
	struct arena arena;
	int devices[DEVICES];
	int file_fd;
	char *buffers[THREADS]; /* a cell for each thread, which the device reads into or writes from */
	atomic_uint_fast64_t copied;
	atomic_uint_fast64_t migrated;
};

static struct range pick(struct racer *racer)
{
	struct shared *shared = racer->shared;

	return arena_pick(&shared->arena, &racer->random);
}

/* Has a device handle a range. Returns the number of pages that it handled. */
static uint64_t command_in(struct racer *racer, enum device device, unsigned long number,
			   struct range range)
{
	struct shared *shared = racer->shared;
	struct hmm_request request = {
		.address = (uintptr_t)range.start,
		.buffer = (uintptr_t)shared->buffers[racer->index],
		.pages = range.length / PAGE_BYTES,
	};

	if (ioctl(shared->devices[device], number, &request) < 0)
		return 0;
	return request.copied;
}

static uint64_t command(struct racer *racer, enum device device, unsigned long number)
{
	return command_in(racer, device, number, pick(racer));
}

static void device_read(struct racer *racer)
{
	struct shared *shared = racer->shared;

	shared->copied += command(racer, ACCESSING, HMM_READ);
}

static void device_write(struct racer *racer)
{
	struct shared *shared = racer->shared;

	shared->copied += command(racer, ACCESSING, HMM_WRITE);
}

static void migrate_to_device(struct racer *racer)
{
	struct shared *shared = racer->shared;

	shared->migrated += command(racer, MIGRATING, HMM_MIGRATE_TO_DEVICE);
}

static void migrate_to_system(struct racer *racer)
{
	command(racer, MIGRATING, HMM_MIGRATE_TO_SYSTEM);
}

static void snapshot(struct racer *racer)
{
	command(racer, ACCESSING, HMM_SNAPSHOT);
}

static void take_exclusively(struct racer *racer)
{
	command(racer, ACCESSING, HMM_EXCLUSIVE);
}

static void map(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = random_below(&racer->random, 4) ?
				     pick(racer) :
				     arena_pick_cell(&shared->arena, &racer->random);

	range_map(range);
	if (random_below(&racer->random, 2))
		madvise(range.start, range.length, MADV_HUGEPAGE);
	range.length = PAGE_BYTES;
	range_write(range, (unsigned char)random_next(&racer->random));
}

/* Maps a file privately; those of its pages that were written are anonymous, and may migrate. */
static void map_file(struct racer *racer)
{
	struct shared *shared = racer->shared;
	struct range range = pick(racer);
	/* The offset follows the address, so that it is always inside the file. */
	off_t offset = (off_t)((uintptr_t)range.start % ARENA_CELL_BYTES);

	mmap(range.start, range.length, PROT_READ | PROT_WRITE,
	     MAP_FIXED | (random_below(&racer->random, 3) ? MAP_PRIVATE : MAP_SHARED),
	     shared->file_fd, offset);
	range_write(range, (unsigned char)random_next(&racer->random));
	if (random_below(&racer->random, 2))
		shared->migrated += command_in(racer, MIGRATING, HMM_MIGRATE_TO_DEVICE, range);
}

static void outlive(struct racer *racer)
{
	hmm_outlive(&racer->random);
}

static void outlive_reader(struct racer *racer)
{
	hmm_outlive_reader(&racer->random);
}

static void close_early(struct racer *racer)
{
	(void)racer;
	hmm_close_early();
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

/* Touches memory: a CPU fault on device memory migrates it back. */
static void touch(struct racer *racer)
{
	range_read(pick(racer));
	range_write(pick(racer), (unsigned char)random_next(&racer->random));
}

/* Forks: pages of device memory are duplicated into the child, which faults them back. */
static void fork_child(struct racer *racer)
{
	race_in_child(racer, touch);
}

static const struct operation operations[] = {
	{ "map", map },
	{ "device-read", device_read },
	{ "device-write", device_write },
	{ "migrate-to-device", migrate_to_device },
	{ "touch", touch },
	{ "migrate-to-device", migrate_to_device },
	{ "migrate-to-system", migrate_to_system },
	{ "snapshot", snapshot },
	{ "exclusive", take_exclusively },
	{ "unmap", unmap },
	{ "move", move },
	{ "fork", fork_child },
	{ "map-file", map_file },
	{ "outlive-reader", outlive_reader },
	{ "outlive", outlive },
	{ "close-early", close_early },
};

/*
 * The last two close mirrors while pages are on the device, which ends one guest in forty
 * (docs/found.md), so they need --anyway.
 */
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))
#define CLOSING_OPERATIONS 2

/* Opens the devices; each mirrors the address space of the process that opens it. */
static void open_devices(int devices[DEVICES])
{
	for (int i = 0; i < DEVICES; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/hmm_dmirror%d", i);
		devices[i] = open(path, O_RDWR | O_CLOEXEC);
		if (devices[i] < 0 && errno == ENOENT)
			workload_skip("no %s: the kernel lacks CONFIG_TEST_HMM, or its test_hmm is that of before 6.1", path);
		if (devices[i] < 0)
			workload_fail("open %s", path);
	}
}

/*
 * Prepares a victim. When it is killed, half of its memory is mirrored by the accessing device,
 * and half is in the memory of the migrating device. An interval notifier of the driver that
 * counts is on the same range: if the OOM reaper invalidated that notifier, it invalidated the
 * devices' notifiers as well.
 */
static void prepare_victim(const void *context)
{
	char *memory = map_small_pages(VICTIM_BYTES), *buffer = map_small_pages(VICTIM_BYTES);
	struct hmm_request request = {
		.address = (uintptr_t)memory,
		.buffer = (uintptr_t)buffer,
		.pages = VICTIM_BYTES / 2 / PAGE_BYTES,
	};
	int devices[DEVICES];

	(void)context;
	open_devices(devices);
	notifiers_add(notifiers_open(), SPLAT_MN_INTERVAL, memory, VICTIM_BYTES);
	touch_pages(memory, VICTIM_BYTES);
	if (ioctl(devices[ACCESSING], HMM_READ, &request) < 0)
		workload_fail("read through a device");
	request.address += VICTIM_BYTES / 2;
	if (ioctl(devices[MIGRATING], HMM_MIGRATE_TO_DEVICE, &request) < 0)
		workload_fail("migrate to a device");
}

static void provoke_victim(const void *context)
{
	(void)context;
	eat_memory(2 * VICTIM_LIMIT_KIB * 1024);
}

static const struct victim_life victim_life = { .prepare = prepare_victim,
						.provoke = provoke_victim };

static void map_buffers(struct shared *shared)
{
	for (int i = 0; i < THREADS; i++) {
		shared->buffers[i] = mmap(NULL, ARENA_CELL_BYTES, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (shared->buffers[i] == MAP_FAILED)
			workload_fail("map a buffer");
	}
}

static int hmm_main(int argc, char **argv)
{
	struct workload workload = { .name = "hmm",
				     .disturbed = true,
				     .duration_ms = 3000,
				     .memory_mib = 32,
				     .reap_timeout_ms = 30000 };
	static struct shared shared;
	static struct doomed victim;

	workload_start(&workload, argc, argv);
	open_devices(shared.devices);
	doomed_start(&victim, "mirrored", VICTIM_LIMIT_KIB, &victim_life);
	doomed_release(&victim);
	map_buffers(&shared);
	shared.file_fd = memfd_create("hmm", MFD_CLOEXEC);
	if (shared.file_fd < 0 || ftruncate(shared.file_fd, (off_t)ARENA_CELL_BYTES) < 0)
		workload_fail("memfd");
	arena_reserve(&shared.arena, workload.memory_mib * MIB - THREADS * ARENA_CELL_BYTES);
	race(&workload, THREADS, operations,
	     workload.anyway ? OPERATIONS : OPERATIONS - CLOSING_OPERATIONS, &shared);
	doomed_finish(&victim, workload.reap_timeout_ms);
	printf("done pages copied %" PRIuFAST64 " migrated %" PRIuFAST64 "\n", shared.copied,
	       shared.migrated);
	return 0;
}

PROGRAM("hmm", hmm_main);
