// SPDX-License-Identifier: MIT
/* Calls of KVM, for fail-nth. fds[0] is a machine, fds[1] a CPU of it. */
#include "fail_nth.h"
#include "virtual_machine.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_AT (16ul << 20)
#define SLOT 1u
#define SLOT_BYTES (2ul << 20)
#define DEVICE_AT 0x20000000u
#define RING_BYTES 4096u

static bool have_kvm(struct stage *stage)
{
	if (!machine_is_there())
		return false;
	stage->fds[2] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return stage->fds[2] >= 0;
}

static bool have_machine(struct stage *stage)
{
	if (!have_kvm(stage))
		return false;
	stage->fds[0] = ioctl(stage->fds[2], KVM_CREATE_VM, 0);
	return stage->fds[0] >= 0;
}

static bool have_cpu(struct stage *stage)
{
	if (!have_machine(stage))
		return false;
	stage->fds[1] = ioctl(stage->fds[0], KVM_CREATE_VCPU, 0);
	return stage->fds[1] >= 0;
}

static bool have_controllers(struct stage *stage)
{
	if (!have_machine(stage) || ioctl(stage->fds[0], KVM_CREATE_IRQCHIP, 0) < 0)
		return false;
	stage->fds[1] = ioctl(stage->fds[0], KVM_CREATE_VCPU, 0);
	stage->fds[3] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return stage->fds[1] >= 0 && stage->fds[3] >= 0;
}

static void set_slot(struct stage *stage, size_t length, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT,
		.flags = flags,
		.guest_phys_addr = MEMORY_AT,
		.memory_size = length,
		.userspace_addr = (uintptr_t)stage->memory,
	};

	ioctl(stage->fds[0], KVM_SET_USER_MEMORY_REGION, &region);
}

static bool have_slot(struct stage *stage)
{
	if (!have_cpu(stage))
		return false;
	set_slot(stage, SLOT_BYTES, 0);
	return true;
}

static bool have_log(struct stage *stage)
{
	if (!have_cpu(stage))
		return false;
	set_slot(stage, SLOT_BYTES, KVM_MEM_LOG_DIRTY_PAGES);
	return true;
}

static void create_machine(struct stage *stage)
{
	stage->fds[0] = ioctl(stage->fds[2], KVM_CREATE_VM, 0);
}

static void create_cpu(struct stage *stage)
{
	stage->fds[1] = ioctl(stage->fds[0], KVM_CREATE_VCPU, 0);
}

static void create_ring(struct stage *stage)
{
	struct kvm_enable_cap ring = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { RING_BYTES } };

	if (ioctl(stage->fds[0], KVM_ENABLE_CAP, &ring) == 0)
		create_cpu(stage);
}

static void create_controllers(struct stage *stage)
{
	struct kvm_pit_config timer = { 0 };

	ioctl(stage->fds[0], KVM_CREATE_IRQCHIP, 0);
	ioctl(stage->fds[0], KVM_CREATE_PIT2, &timer);
}

static void add_slot(struct stage *stage)
{
	set_slot(stage, SLOT_BYTES, KVM_MEM_LOG_DIRTY_PAGES);
}

static void start_log(struct stage *stage)
{
	set_slot(stage, SLOT_BYTES, KVM_MEM_LOG_DIRTY_PAGES);
}

static void stop_log(struct stage *stage)
{
	set_slot(stage, SLOT_BYTES, 0);
}

static void drop_slot(struct stage *stage)
{
	set_slot(stage, 0, 0);
}

static void signal_writes(struct stage *stage)
{
	struct kvm_ioeventfd request = { .fd = stage->fds[3], .addr = DEVICE_AT, .len = 4 };
	struct kvm_coalesced_mmio_zone zone = { .addr = DEVICE_AT + 4096, .size = 4096 };

	ioctl(stage->fds[0], KVM_IOEVENTFD, &request);
	ioctl(stage->fds[0], KVM_REGISTER_COALESCED_MMIO, &zone);
}

static void raise_by_fd(struct stage *stage)
{
	struct kvm_irqfd request = {
		.fd = (uint32_t)stage->fds[3],
		.gsi = 5,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = (uint32_t)stage->fds[3],
	};

	ioctl(stage->fds[0], KVM_IRQFD, &request);
	request.flags = 0;
	ioctl(stage->fds[0], KVM_IRQFD, &request);
}

static void route(struct stage *stage)
{
	struct {
		struct kvm_irq_routing table;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.table.nr = 1,
		.entry = { .gsi = 5,
			   .type = KVM_IRQ_ROUTING_IRQCHIP,
			   .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 5 } },
	};

	ioctl(stage->fds[0], KVM_SET_GSI_ROUTING, &routing);
}

/*
 * Runs in real mode, at an address with or without a memory slot: this gives a few faults, then
 * an exit.
 */
static void run(struct stage *stage)
{
	struct kvm_sregs system;
	struct kvm_regs registers = { .rip = 0, .rflags = 2 };

	if (ioctl(stage->fds[1], KVM_GET_SREGS, &system) < 0)
		return;
	system.cs.base = MEMORY_AT;
	system.cs.selector = 0;
	stage->memory[0] = (char)0xf4; /* hlt */
	if (ioctl(stage->fds[1], KVM_SET_SREGS, &system) == 0 &&
	    ioctl(stage->fds[1], KVM_SET_REGS, &registers) == 0)
		ioctl(stage->fds[1], KVM_RUN, 0);
}

static void name_cpu(struct stage *stage)
{
	struct {
		struct kvm_cpuid2 list;
		struct kvm_cpuid_entry2 entries[2];
	} cpuid = { .list.nent = 2, .entries = { { .function = 0, .eax = 1 }, { .function = 1 } } };

	ioctl(stage->fds[1], KVM_SET_CPUID2, &cpuid);
	stage->fds[3] = ioctl(stage->fds[1], KVM_GET_STATS_FD, 0);
}

static const struct failing_call calls[] = {
	{ "create-machine", have_kvm, create_machine, NULL },
	{ "create-cpu", have_machine, create_cpu, NULL },
	{ "create-ring", have_machine, create_ring, NULL },
	{ "create-controllers", have_machine, create_controllers, NULL },
	{ "add-slot", have_cpu, add_slot, NULL },
	{ "start-log", have_slot, start_log, NULL },
	{ "stop-log", have_log, stop_log, NULL },
	{ "drop-slot", have_slot, drop_slot, NULL },
	{ "signal-writes", have_controllers, signal_writes, NULL },
	{ "raise-by-fd", have_controllers, raise_by_fd, NULL },
	{ "route", have_controllers, route, NULL },
	{ "run", have_slot, run, NULL },
	{ "name-cpu", have_cpu, name_cpu, NULL },
};

/*
 * Making and destroying a machine takes longer than everything that the other tables do for one
 * n.
 */
#define DRAWN 4

const struct failing_calls failing_machine_calls = { calls, sizeof(calls) / sizeof(calls[0]), DRAWN };
