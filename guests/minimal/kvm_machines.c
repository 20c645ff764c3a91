// SPDX-License-Identifier: MIT
/*
 * kvm-machines: the CPUs of a machine write and read memory, devices and ports, with and
 * without paging, halt, and take interrupts. Meanwhile its slots change, its dirty pages are
 * logged, and the memory of the process behind it is mapped, unmapped, moved, made huge and
 * split. Beside it other machines are made, run and destroyed on the same memory, so that some
 * are destroyed while KVM is notified. Calls may fail because another thread was faster. Half
 * of the time the machine has KVM's older MMU, if the kernel allows to choose: the MMU with
 * reverse maps, which nested machines always use.
 */
#include "files.h"
#include "machines.h"
#include "program.h"
#include "random.h"
#include "slow_notifier.h"
#include "ticks.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define THREADS 4
/* How many milliseconds a CPU that halts or loops is given. */
#define TICK_MS 40
#define PAGES_TOUCHED 16
/*
 * Whether the next machine gets the newer MMU, "Y" or "N". The file cannot be written from 6.3
 * on, and does not exist on other architectures.
 */
#define NEWER_MMU "/sys/module/kvm/parameters/tdp_mmu"
#define ARENA_MIB 16 /* what machine_code.h maps by small pages */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static struct range pick(struct racer *racer)
{
	struct machines *machines = racer->shared;

	return arena_pick(&machines->arena, &racer->random);
}

/* A random range; now and then a whole huge page. */
static struct range pick_any(struct racer *racer)
{
	struct machines *machines = racer->shared;

	return random_below(&racer->random, 4) ? pick(racer) :
						 arena_pick_cell(&machines->arena, &racer->random);
}

uint32_t machines_address(const struct machines *machines, const char *start)
{
	return (uint32_t)(MACHINE_SMALL_PAGES_AT + (uint64_t)(start - machines->arena.base));
}

static enum machine_end run_counted(struct machines *machines, struct virtual_machine *machine,
				    unsigned cpu, const struct machine_job *job)
{
	enum machine_end end;

	ticks_start(TICK_MS);
	end = machine_run(machine, cpu, job);
	machines->ends[end]++;
	return end;
}

enum machine_end machines_run(struct racer *racer, struct machine_job job)
{
	struct machines *machines = racer->shared;
	struct virtual_machine *machine = &machines->machine;
	unsigned first = (unsigned)random_below(&racer->random, machine->plan.cpus);

	job.paging = (enum machine_paging)random_below(
		&racer->random, job.program == MACHINE_HALT ? MACHINE_FOUR_LEVELS : MACHINE_PAGINGS);
	for (unsigned i = 0; i < machine->plan.cpus; i++) {
		unsigned cpu = (first + i) % machine->plan.cpus;
		enum machine_end end;

		if (pthread_mutex_trylock(&machine->cpus[cpu].busy) != 0)
			continue;
		end = run_counted(machines, machine, cpu, &job);
		pthread_mutex_unlock(&machine->cpus[cpu].busy);
		return end;
	}
	return MACHINE_STOPPED;
}

static void run(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct range range = pick_any(racer);
	uint32_t at = machines_address(machines, range.start);

	for (int i = 0; i < 4; i++)
		machines_run(racer, (struct machine_job){
					    .program = random_below(&racer->random, 3) ?
							       MACHINE_WRITE_PAGES :
							       MACHINE_READ_PAGES,
					    .ebx = at,
					    .ecx = at + (uint32_t)range.length,
					    .edx = machine_stride(range.length, PAGES_TOUCHED),
					    .eax = (uint32_t)random_next(&racer->random),
				    });
}

/* Changes the machine's own page tables while its CPUs run. */
static void remap(struct racer *racer)
{
	struct machines *machines = racer->shared;
	uint32_t at = machines_address(machines, pick(racer).start);

	machines_run(racer, (struct machine_job){
				    .program = MACHINE_REMAP,
				    .ebx = machine_page_entry(
					    random_below(&racer->random, 2) ? MACHINE_TWO_LEVELS :
									      MACHINE_FOUR_LEVELS,
					    at),
				    .ecx = at,
			    });
}

static void call_host(struct racer *racer)
{
	machines_run(racer, (struct machine_job){
				    .program = MACHINE_CALL_HOST,
				    .eax = (uint32_t)random_below(&racer->random, 13),
				    .ebx = MACHINE_STACK_END,
			    });
}

static void map(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct range range = arena_pick_cell(&machines->arena, &racer->random);

	range_map(range);
	if (random_below(&racer->random, 3))
		madvise(range.start, range.length, MADV_HUGEPAGE);
	range.length = PAGE_BYTES;
	range_write(range, 1);
}

static void unmap(struct racer *racer)
{
	range_unmap(pick_any(racer));
}

static void move(struct racer *racer)
{
	struct range from = pick_any(racer), to = pick_any(racer);

	if (to.length > from.length)
		to.length = from.length;
	range_move(from, to);
}

static void protect(struct racer *racer)
{
	struct range range = pick_any(racer);

	mprotect(range.start, range.length,
		 random_below(&racer->random, 2) ? PROT_READ : PROT_READ | PROT_WRITE);
}

static void advise(struct racer *racer)
{
	static const int advices[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_COLLAPSE, MADV_FREE,
				       MADV_NOHUGEPAGE };
	struct range range = pick_any(racer);

	madvise(range.start, range.length,
		advices[random_below(&racer->random, sizeof(advices) / sizeof(advices[0]))]);
}

static void touch(struct racer *racer)
{
	range_write(pick(racer), (unsigned char)random_next(&racer->random));
}

/* Forks: the child also holds the machine, and releases it at its end. */
static void fork_child(struct racer *racer)
{
	race_in_child(racer, touch);
}

/*
 * What a machine does before it is destroyed: a few writes, or until its dirty ring is full if
 * it has one.
 */
static void spend_life(struct racer *racer, struct virtual_machine *machine)
{
	struct machines *machines = racer->shared;

	for (int i = 0; i < 2; i++) {
		unsigned cpu = (unsigned)random_below(&racer->random, machine->plan.cpus);
		struct range range = arena_pick_cell(&machines->arena, &racer->random);
		uint32_t at = machines_address(machines, range.start);
		struct machine_job job = {
			.program = MACHINE_WRITE_PAGES,
			.paging = (enum machine_paging)random_below(&racer->random, MACHINE_PAGINGS),
			.ebx = at,
			.ecx = at + (uint32_t)range.length,
			.edx = i == 0 && machine->cpus[cpu].ring ?
				       PAGE_BYTES :
				       machine_stride(range.length, PAGES_TOUCHED),
		};

		if (run_counted(machines, machine, cpu, &job) == MACHINE_RING_FULL)
			machine_harvest(machine, cpu);
	}
}

static void live(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct machine_plan plan = {
		.cpus = 1 + (unsigned)random_below(&racer->random, MACHINE_CPUS_MAX),
		.irqchip = random_below(&racer->random, 3) == 0,
		.dirty_ring_entries = random_below(&racer->random, 2) ? 256 : 0,
	};
	struct virtual_machine machine;

	machine_create(&machine, &plan);
	machine_set_slot(&machine, MACHINE_LOW_SLOT + 1, MACHINE_SMALL_PAGES_AT,
			 machines->arena.base, machines->arena.cells * ARENA_CELL_BYTES,
			 plan.dirty_ring_entries ? KVM_MEM_LOG_DIRTY_PAGES : 0);
	spend_life(racer, &machine);
	machine_destroy(&machine);
	machines->lives++;
}

static const struct operation operations[] = {
	{ "live", live },
	{ "run", run },
	{ "map", map },
	{ "store", device_store },
	{ "plug", slot_plug },
	{ "log", slot_log },
	{ "io-signal", device_io_signal },
	{ "live", live },
	{ "run", run },
	{ "unmap", unmap },
	{ "read-log", slot_read_log },
	{ "move", move },
	{ "remap", remap },
	{ "store", device_store },
	{ "advise", advise },
	{ "live", live },
	{ "run", run },
	{ "split", device_split },
	{ "ports", device_ports },
	{ "unplug", slot_unplug },
	{ "copy", device_copy },
	{ "protect", protect },
	{ "clocks", state_clocks },
	{ "slot-move", slot_move },
	{ "live", live },
	{ "interrupt", device_interrupt },
	{ "halt", device_halt },
	{ "touch", touch },
	{ "management", device_system_management },
	{ "read-state", state_read },
	{ "shrink", state_shrink },
	{ "call-host", call_host },
	{ "fork", fork_child },
	{ "hold", slow_notifier_hold },
};

static void prepare(struct machines *machines)
{
	pthread_mutex_init(&machines->slots_lock, NULL);
	arena_reserve(&machines->arena, ARENA_MIB * MIB);
	if (!range_map((struct range){ .start = machines->arena.base,
				       .length = machines->arena.cells * ARENA_CELL_BYTES }))
		workload_fail("map the arena");
	machines_open_devices(machines);
	slow_notifier_register();
}

/* Makes a machine, uses it and destroys it. Returns the number of operations. */
static uint64_t race_on_machine(const struct workload *workload, struct machines *machines)
{
	static const struct machine_plan plan = { .cpus = MACHINE_CPUS_MAX, .irqchip = true };
	uint64_t count;

	machine_create(&machines->machine, &plan);
	memset(machines->slots, 0, sizeof(machines->slots));
	machines_plug_all(machines);
	count = race(workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]),
		     machines);
	machine_destroy(&machines->machine);
	return count;
}

/* Runs for half of the duration and without the goal, which is for the other half. */
static uint64_t race_on_older_mmu(const struct workload *workload, struct machines *machines)
{
	struct workload half = *workload;
	uint64_t now = monotonic_ns(), count;
	char former[8];

	if (!read_file(NEWER_MMU, former, sizeof(former)) || !write_file(NEWER_MMU, "N"))
		return 0;
	/* On a slow host the duration may be over by now. */
	half.end_ns = half.limit_ns =
		now < workload->end_ns ? now + (workload->end_ns - now) / 2 : now;
	count = race_on_machine(&half, machines);
	if (!write_file(NEWER_MMU, former))
		workload_fail("write " NEWER_MMU);
	return count;
}

static int kvm_machines_main(int argc, char **argv)
{
	struct workload workload = { .name = "kvm-machines", .duration_ms = 2500, .memory_mib = 16 };
	static struct machines machines;
	uint64_t count;

	workload_start(&workload, argc, argv);
	prepare(&machines);
	count = race_on_older_mmu(&workload, &machines);
	count += race_on_machine(&workload, &machines);
	printf("done operations %" PRIu64 " lives %" PRIuFAST64 " runs ended %" PRIuFAST64
	       " faulted %" PRIuFAST64 " ring full %" PRIuFAST64 " stopped %" PRIuFAST64 "\n",
	       count, machines.lives, machines.ends[MACHINE_ENDED], machines.ends[MACHINE_FAULTED],
	       machines.ends[MACHINE_RING_FULL], machines.ends[MACHINE_STOPPED]);
	errno = 0;
	if (machines.ends[MACHINE_ENDED] == 0)
		workload_fail("no machine ran to its end");
	return 0;
}

PROGRAM("kvm-machines", kvm_machines_main);
