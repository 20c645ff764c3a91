// SPDX-License-Identifier: MIT
/*
 * Memory slots that are added, removed and moved, that split huge pages, and that log what is
 * written.
 */
#include "machines.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <sys/ioctl.h>

static size_t quarter_bytes(const struct machines *machines)
{
	return machines->arena.cells / MACHINES_SLOTS * ARENA_CELL_BYTES;
}

static uint32_t slot_id(unsigned index)
{
	return MACHINE_LOW_SLOT + 1 + index;
}

static bool set(struct machines *machines, unsigned index, const struct machine_slot *slot)
{
	if (!machine_set_slot(&machines->machine, slot_id(index), slot->at, slot->start,
			      slot->length, slot->flags))
		return false;
	machines->slots[index] = *slot;
	return true;
}

static void unplug(struct machines *machines, unsigned index)
{
	if (machines->slots[index].length == 0)
		return;
	machines->slots[index].length = 0;
	machine_set_slot(&machines->machine, slot_id(index), 0, NULL, 0, 0);
}

void machines_plug_all(struct machines *machines)
{
	struct machine_slot all = {
		.at = MACHINE_SMALL_PAGES_AT,
		.start = machines->arena.base,
		.length = machines->arena.cells * ARENA_CELL_BYTES,
	};

	for (unsigned i = 0; i < MACHINES_SLOTS; i++)
		unplug(machines, i);
	if (!set(machines, 0, &all))
		workload_fail("set the memory of a machine");
}

/*
 * A part of a quarter that begins and ends inside huge pages, usually with another offset in a
 * huge page than the process's address has: then KVM may not map huge pages there.
 */
static struct machine_slot any_slot(struct racer *racer, unsigned index)
{
	struct machines *machines = racer->shared;
	size_t pages = quarter_bytes(machines) / PAGE_BYTES;
	size_t first = random_below(&racer->random, pages / 2);
	size_t count = pages / 4 + random_below(&racer->random, pages / 4);
	size_t shift = random_below(&racer->random, 3) ? random_below(&racer->random, pages / 4) : 0;
	size_t offset = index * quarter_bytes(machines);

	return (struct machine_slot){
		.at = MACHINE_SMALL_PAGES_AT + offset + first * PAGE_BYTES,
		.start = machines->arena.base + offset + (first + shift) % pages * PAGE_BYTES,
		.length = (first + shift) % pages + count > pages ? PAGE_BYTES : count * PAGE_BYTES,
		.flags = random_below(&racer->random, 2) ? KVM_MEM_LOG_DIRTY_PAGES : 0,
	};
}

void slot_plug(struct racer *racer)
{
	struct machines *machines = racer->shared;
	unsigned index = (unsigned)random_below(&racer->random, MACHINES_SLOTS);
	struct machine_slot slot = any_slot(racer, index);

	if (random_below(&racer->random, 8) == 0)
		slot.flags |= KVM_MEM_READONLY;
	pthread_mutex_lock(&machines->slots_lock);
	if (random_below(&racer->random, 4) == 0) {
		machines_plug_all(machines);
	} else {
		/* A slot that covers the whole arena excludes every other slot. */
		unplug(machines, 0);
		unplug(machines, index);
		set(machines, index, &slot);
	}
	pthread_mutex_unlock(&machines->slots_lock);
}

void slot_unplug(struct racer *racer)
{
	struct machines *machines = racer->shared;
	unsigned index = (unsigned)random_below(&racer->random, MACHINES_SLOTS);

	pthread_mutex_lock(&machines->slots_lock);
	unplug(machines, index);
	pthread_mutex_unlock(&machines->slots_lock);
}

/* Replaces a slot by the same one with something changed. */
static void change(struct racer *racer, uint64_t move_by, uint32_t flip)
{
	struct machines *machines = racer->shared;
	unsigned first = (unsigned)random_below(&racer->random, MACHINES_SLOTS);

	pthread_mutex_lock(&machines->slots_lock);
	for (unsigned i = 0; i < MACHINES_SLOTS; i++) {
		unsigned index = (first + i) % MACHINES_SLOTS;
		struct machine_slot slot = machines->slots[index];

		if (slot.length == 0)
			continue;
		slot.at += move_by;
		slot.flags ^= flip;
		set(machines, index, &slot);
		break;
	}
	pthread_mutex_unlock(&machines->slots_lock);
}

void slot_move(struct racer *racer)
{
	uint64_t pages = 1 + random_below(&racer->random, 600);

	change(racer, random_below(&racer->random, 2) ? pages * PAGE_BYTES : -(pages * PAGE_BYTES),
	       0);
}

/* Logging splits huge pages; without logging they are made whole again. */
void slot_log(struct racer *racer)
{
	change(racer, 0, KVM_MEM_LOG_DIRTY_PAGES);
}

void slot_read_log(struct racer *racer)
{
	static _Thread_local uint64_t bitmap[MACHINE_SMALL_PAGES_BYTES / PAGE_BYTES / 64];
	struct machines *machines = racer->shared;
	uint32_t id = slot_id((unsigned)random_below(&racer->random, MACHINES_SLOTS));
	struct kvm_dirty_log log = { .slot = id, .dirty_bitmap = bitmap };
	struct kvm_enable_cap by_hand = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { random_below(&racer->random, 2) },
	};
	struct kvm_clear_dirty_log clear = {
		.slot = id,
		.num_pages = 64 * (1 + (uint32_t)random_below(&racer->random, 8)),
		.first_page = 64 * random_below(&racer->random, 8),
		.dirty_bitmap = bitmap,
	};

	if (random_below(&racer->random, 4) == 0)
		ioctl(machines->machine.fd, KVM_ENABLE_CAP, &by_hand);
	if (ioctl(machines->machine.fd, KVM_GET_DIRTY_LOG, &log) == 0)
		ioctl(machines->machine.fd, KVM_CLEAR_DIRTY_LOG, &clear);
}
