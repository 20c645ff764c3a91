/* SPDX-License-Identifier: MIT */
/*
 * A machine that all threads of the workload kvm-machines share. Its CPUs run programs while
 * its memory slots, its devices and the arena behind its memory change. Calls may fail because
 * another thread was faster.
 */
#ifndef SPLAT_MACHINES_H
#define SPLAT_MACHINES_H

#include "arena.h"
#include "racers.h"
#include "virtual_machine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* The slots: each covers a quarter of the arena; the first may also cover all of it. */
#define MACHINES_SLOTS 4

struct machine_slot {
	uint64_t at;
	char *start;
	size_t length; /* 0 when there is no such slot */
	uint32_t flags;
};

struct machines {
	struct arena arena;
	struct virtual_machine machine;
	pthread_mutex_t slots_lock;
	struct machine_slot slots[MACHINES_SLOTS];
	int io_fd;  /* eventfd that MMIO and port writes signal */
	int irq_fd; /* eventfd that raises an interrupt */
	atomic_uint_fast64_t ends[MACHINE_STOPPED + 1]; /* how runs ended */
	atomic_uint_fast64_t lives;			/* machines made and destroyed */
};

/*
 * The physical address of a place in the arena's memory. The arena is around 1 GiB, half of it
 * above.
 */
uint32_t machines_address(const struct machines *machines, const char *start);

/* Runs a job on an idle CPU, with random paging; does nothing when no CPU is idle. */
enum machine_end machines_run(struct racer *racer, struct machine_job job);

/* Operations on the slots of the machine (machine_slots.c). */
void machines_plug_all(struct machines *machines);
void slot_plug(struct racer *racer);
void slot_unplug(struct racer *racer);
void slot_move(struct racer *racer);
void slot_log(struct racer *racer);
void slot_read_log(struct racer *racer);

/* Operations on devices, ports and interrupts (machine_devices.c). */
void machines_open_devices(struct machines *machines);
void device_io_signal(struct racer *racer);
void device_store(struct racer *racer);
void device_split(struct racer *racer);
void device_ports(struct racer *racer);
void device_copy(struct racer *racer);
void device_interrupt(struct racer *racer);
void device_halt(struct racer *racer);
void device_system_management(struct racer *racer);

/* Operations on the state of a CPU or of the machine (machine_state.c). */
void state_clocks(struct racer *racer);
void state_read(struct racer *racer);
void state_shrink(struct racer *racer);

#endif
