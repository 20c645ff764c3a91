// SPDX-License-Identifier: MIT
/* What can be read and written of a machine and its CPUs while they run. */
#include "machines.h"
#include "random.h"
#include "workload.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct machine_cpu *any_cpu(struct racer *racer)
{
	struct machines *machines = racer->shared;

	return &machines->machine.cpus[random_below(&racer->random, machines->machine.plan.cpus)];
}

/*
 * Points the kernel to pages into which it writes the time (kvmclock, the wall clock, stolen
 * time) and the end of interrupts. It caches the translation of their addresses, while the
 * memory behind them comes and goes.
 */
void state_clocks(struct racer *racer)
{
	static const uint32_t clocks[] = { MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_WALL_CLOCK_NEW,
					   MSR_KVM_STEAL_TIME, MSR_KVM_SYSTEM_TIME_NEW,
					   MSR_KVM_PV_EOI_EN };
	struct machines *machines = racer->shared;
	struct range range = arena_pick(&machines->arena, &racer->random);
	struct machine_cpu *cpu = any_cpu(racer);
	struct {
		struct kvm_msrs list;
		struct kvm_msr_entry entry;
	} set = { .list.nmsrs = 1 };
	struct kvm_clock_data time;

	set.entry.index = clocks[random_below(&racer->random, sizeof(clocks) / sizeof(clocks[0]))];
	set.entry.data = machines_address(machines, range.start) |
			 (set.entry.index != MSR_KVM_WALL_CLOCK_NEW);
	ioctl(cpu->fd, KVM_SET_MSRS, &set);
	if (random_below(&racer->random, 4) == 0 &&
	    ioctl(machines->machine.fd, KVM_GET_CLOCK, &time) == 0) {
		time.flags = 0;
		ioctl(machines->machine.fd, KVM_SET_CLOCK, &time);
	}
	if (random_below(&racer->random, 4) == 0)
		ioctl(cpu->fd, KVM_KVMCLOCK_CTRL, 0);
	machines_run(racer, (struct machine_job){ .program = MACHINE_IDENTIFY,
						  .ebx = MACHINE_STACK_END });
}

static void read_statistics(int fd)
{
	char page[4096];

	if (fd < 0)
		return;
	for (int i = 0; i < 3 && read(fd, page, sizeof(page)) > 0; i++)
		;
	close(fd);
}

/*
 * Reads state of a CPU. Each of these calls takes the lock that a run holds, so it waits for
 * CPUs that run.
 */
void state_read(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct machine_cpu *cpu = any_cpu(racer);
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_lapic_state apic;
	struct kvm_mp_state mode;
	struct kvm_translation where = {
		.linear_address = MACHINE_SMALL_PAGES_AT +
				  random_below(&racer->random, MACHINE_SMALL_PAGES_BYTES),
	};

	switch (random_below(&racer->random, 5)) {
	case 0:
		if (ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &events) == 0)
			ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &events);
		break;
	case 1:
		if (ioctl(cpu->fd, KVM_GET_LAPIC, &apic) == 0)
			ioctl(cpu->fd, KVM_SET_LAPIC, &apic);
		break;
	case 2:
		ioctl(cpu->fd, KVM_TRANSLATE, &where);
		ioctl(cpu->fd, KVM_GET_MP_STATE, &mode);
		break;
	case 3:
		if (ioctl(cpu->fd, KVM_GET_DEBUGREGS, &debug) == 0)
			ioctl(cpu->fd, KVM_SET_DEBUGREGS, &debug);
		break;
	default:
		read_statistics(ioctl(cpu->fd, KVM_GET_STATS_FD, 0));
		read_statistics(ioctl(machines->machine.fd, KVM_GET_STATS_FD, 0));
	}
}

/* Allows few page tables for shadow paging, so that the oldest are dropped. */
void state_shrink(struct racer *racer)
{
	struct machines *machines = racer->shared;

	ioctl(machines->machine.fd, KVM_SET_NR_MMU_PAGES, 64 + random_below(&racer->random, 64));
}
