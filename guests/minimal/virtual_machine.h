/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine inside the guest (Documentation/virt/kvm/api.rst). KVM registers an hlist
 * notifier on the process that creates a machine, and unmaps from the machine what is
 * invalidated in the process. machine_code.h has what its CPUs run.
 */
#ifndef SPLAT_VIRTUAL_MACHINE_H
#define SPLAT_VIRTUAL_MACHINE_H

#include "machine_code.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_CPUS_MAX 2
/* The slot of the low memory, which is below everything else that has an address. */
#define MACHINE_LOW_SLOT 0u
/*
 * Added to the number of a slot, it selects the slot as a CPU in system management mode sees
 * it.
 */
#define MACHINE_SMM_SPACE (1u << 16)
/* The machine's address of what machine_set_memory() adds. */
#define MACHINE_MEMORY_AT (16ul << 20)

struct machine_cpu {
	int fd;
	struct kvm_run *run;
	struct kvm_dirty_gfn *ring; /* NULL when there is no dirty ring */
	uint32_t harvested;	    /* how many entries of the ring were read, ever */
	pthread_mutex_t busy;
};

struct machine_plan {
	unsigned cpus;		     /* 1 to MACHINE_CPUS_MAX */
	bool irqchip;		     /* interrupt controllers and timer in the kernel */
	unsigned dirty_ring_entries; /* a power of 2; 0: dirty pages are logged in bitmaps */
};

struct virtual_machine {
	struct machine_plan plan;
	int fd;
	size_t run_bytes;
	unsigned char *low;
	struct machine_cpu cpus[MACHINE_CPUS_MAX];
};

/* A plan with one CPU and nothing else. */
extern const struct machine_plan machine_plain;

/* True if machine_create() would not skip. */
bool machine_is_there(void);

/*
 * Makes a machine with its low memory. Exits on failure, with "skip" if the kernel offers no
 * virtualisation. What the kernel lacks of the plan (a dirty ring) is removed from
 * machine->plan.
 */
void machine_create(struct virtual_machine *machine, const struct machine_plan *plan);

/* Destroys a machine. No thread may use it any more. */
void machine_destroy(struct virtual_machine *machine);

/*
 * Makes [start, start + length) of the process the memory slot at the machine's address `at`,
 * with flags KVM_MEM_..., and replaces the slot that was there. Length 0 removes the slot.
 * False if KVM refuses.
 */
bool machine_set_slot(const struct virtual_machine *machine, uint32_t slot, uint64_t at,
		      const void *start, size_t length, uint32_t flags);

/* Makes memory of the process slot 1 at MACHINE_MEMORY_AT. Exits on failure. */
void machine_set_memory(const struct virtual_machine *machine, void *start, size_t length);

/* A program, and the values of its registers. */
struct machine_job {
	enum machine_program program;
	enum machine_paging paging;
	uint32_t eax, ebx, ecx, edx, esi, edi;
};

enum machine_end {
	MACHINE_ENDED,	   /* the program came to its end */
	MACHINE_FAULTED,   /* on something that is not mapped, or an instruction that cannot be emulated */
	MACHINE_RING_FULL, /* more pages dirty than its ring holds */
	MACHINE_STOPPED,   /* by signals, a halt, a triple fault, or because it did not end */
};

/*
 * Runs a job on a CPU of the machine. Memory without a slot reads as zeros, and so do ports.
 * Only one caller at a time may use a CPU.
 */
enum machine_end machine_run(const struct virtual_machine *machine, unsigned cpu,
			     const struct machine_job *job);

/*
 * Writes at most `pages` pages, evenly spread over [offset, offset + length) of
 * machine_set_memory(). True if the program ended. Each page that KVM has to fault in takes a
 * millisecond or two under emulation.
 */
bool machine_touch(const struct virtual_machine *machine, size_t offset, size_t length,
		   size_t pages);

/* The distance, in whole pages, at which a program touches at most `pages` pages of a length. */
uint32_t machine_stride(size_t length, size_t pages);

/* Empties the dirty ring of a CPU. Returns how many entries it had. */
unsigned machine_harvest(struct virtual_machine *machine, unsigned cpu);

#endif
