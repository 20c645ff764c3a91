// SPDX-License-Identifier: MIT
#include "virtual_machine.h"

#include "workload.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

/*
 * Intel's CPUs need three pages of the machine's address space for a task state segment, and
 * one for a page table.
 */
#define TSS_AT 0xfffbd000ul
#define IDENTITY_MAP_AT 0xfffbc000ull
#define MEMORY_SLOT 1u

/* A program with more exits than this counts as one that does not end. */
#define EXITS_MAX 600
/* A program that halts ends with the first signal, any other program after this many. */
#define SIGNALS_MAX 8

#define CR0_PROTECTED 1u
#define CR0_MONITOR 2u
#define CR0_PAGING (1u << 31)
#define CR4_LARGE_PAGES 0x10u
#define CR4_WIDE_ENTRIES 0x20u
#define CR4_SSE 0x600u
#define EFER_LONG 0x500u

const struct machine_plan machine_plain = { .cpus = 1 };

/* Does an ioctl, again when a signal interrupted it before it had done anything. */
static int insist(int fd, unsigned long request, unsigned long argument)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result < 0 && errno == EINTR);
	return result;
}

bool machine_set_slot(const struct virtual_machine *machine, uint32_t slot, uint64_t at,
		      const void *start, size_t length, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = at,
		.memory_size = length,
		.userspace_addr = (uintptr_t)start,
	};

	return insist(machine->fd, KVM_SET_USER_MEMORY_REGION, (unsigned long)&region) == 0;
}

void machine_set_memory(const struct virtual_machine *machine, void *start, size_t length)
{
	if (!machine_set_slot(machine, MEMORY_SLOT, MACHINE_MEMORY_AT, start, length, 0))
		workload_fail("set the memory of a machine");
}

/*
 * Adds low memory in pages of its own, since what happens to other memory must not remove the
 * code.
 */
static void add_low_memory(struct virtual_machine *machine)
{
	machine->low = mmap(NULL, MACHINE_LOW_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (machine->low == MAP_FAILED)
		workload_fail("map the low memory of a machine");
	machine_load(machine->low);
	if (!machine_set_slot(machine, MACHINE_LOW_SLOT, 0, machine->low, MACHINE_LOW_BYTES, 0))
		workload_fail("set the low memory of a machine");
	/* A CPU in system management mode has an address space of its own. */
	if (ioctl(machine->fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) > 1 &&
	    !machine_set_slot(machine, MACHINE_SMM_SPACE | MACHINE_LOW_SLOT, 0, machine->low,
			      MACHINE_LOW_BYTES, 0))
		workload_fail("set the memory of system management");
}

/*
 * True under QEMU's own emulation, which identifies itself there (target/i386/cpu.c,
 * cpu_x86_cpuid(), leaf 0x40000000).
 */
static bool is_emulated(void)
{
	unsigned int leaf, signature[3];

	__cpuid(0x40000000, leaf, signature[0], signature[1], signature[2]);
	return memcmp(signature, "TCGTCGTCGTCG", sizeof(signature)) == 0;
}

static bool is_before(unsigned int major, unsigned int minor)
{
	unsigned int own_major, own_minor;
	struct utsname kernel;

	if (uname(&kernel) < 0 || sscanf(kernel.release, "%u.%u", &own_major, &own_minor) != 2)
		workload_fail("read the kernel's release");
	return own_major < major || (own_major == major && own_minor < minor);
}

bool machine_is_there(void)
{
	return access("/dev/kvm", R_OK | W_OK) == 0 && !(is_emulated() && is_before(6, 1));
}

static int open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm >= 0 && is_emulated() && is_before(6, 1))
		workload_skip("KVM of 5.10 hangs in an emulated CPU; kernels before 6.1 were not tried");
	if (kvm < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		workload_skip("no /dev/kvm: this CPU offers the guest no virtualisation");
	if (kvm < 0)
		workload_fail("open /dev/kvm");
	return kvm;
}

/* Adds devices. This must happen before there is any CPU. */
static void add_devices(struct virtual_machine *machine)
{
	struct kvm_enable_cap ring = {
		.cap = KVM_CAP_DIRTY_LOG_RING,
		.args = { machine->plan.dirty_ring_entries * sizeof(struct kvm_dirty_gfn) },
	};
	struct kvm_pit_config timer = { 0 };

	if (machine->plan.dirty_ring_entries > 0 &&
	    ioctl(machine->fd, KVM_ENABLE_CAP, &ring) < 0)
		machine->plan.dirty_ring_entries = 0;
	if (machine->plan.irqchip && (insist(machine->fd, KVM_CREATE_IRQCHIP, 0) < 0 ||
				      insist(machine->fd, KVM_CREATE_PIT2,
					     (unsigned long)&timer) < 0))
		workload_fail("create a machine's interrupt controllers");
}

static void add_cpu(struct virtual_machine *machine, unsigned index)
{
	struct machine_cpu *cpu = &machine->cpus[index];
	void *ring;

	pthread_mutex_init(&cpu->busy, NULL);
	cpu->ring = NULL;
	cpu->harvested = 0;
	cpu->fd = insist(machine->fd, KVM_CREATE_VCPU, index);
	if (cpu->fd < 0)
		workload_fail("create a CPU");
	cpu->run = mmap(NULL, machine->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		workload_fail("map the state of a CPU");
	if (machine->plan.dirty_ring_entries == 0)
		return;
	ring = mmap(NULL, machine->plan.dirty_ring_entries * sizeof(struct kvm_dirty_gfn),
		    PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd,
		    (long)(KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_BYTES));
	if (ring == MAP_FAILED)
		workload_fail("map a dirty ring");
	cpu->ring = ring;
}

void machine_create(struct virtual_machine *machine, const struct machine_plan *plan)
{
	int kvm = open_kvm();
	int run_bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	uint64_t identity_map = IDENTITY_MAP_AT;

	machine->plan = *plan;
	machine->fd = insist(kvm, KVM_CREATE_VM, 0);
	if (machine->fd < 0 || run_bytes < 0)
		workload_fail("create a machine");
	close(kvm);
	machine->run_bytes = (size_t)run_bytes;
	if (ioctl(machine->fd, KVM_SET_TSS_ADDR, TSS_AT) < 0 ||
	    ioctl(machine->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		workload_fail("place what Intel's CPUs want");
	add_low_memory(machine);
	add_devices(machine);
	for (unsigned i = 0; i < plan->cpus; i++)
		add_cpu(machine, i);
}

void machine_destroy(struct virtual_machine *machine)
{
	for (unsigned i = 0; i < machine->plan.cpus; i++) {
		struct machine_cpu *cpu = &machine->cpus[i];

		if (cpu->ring)
			munmap(cpu->ring, machine->plan.dirty_ring_entries *
						  sizeof(struct kvm_dirty_gfn));
		munmap(cpu->run, machine->run_bytes);
		close(cpu->fd);
		pthread_mutex_destroy(&cpu->busy);
	}
	close(machine->fd);
	munmap(machine->low, MACHINE_LOW_BYTES);
}

static void set_segments(struct kvm_sregs *registers)
{
	struct kvm_segment flat = { .limit = UINT32_MAX, .present = 1, .db = 1, .s = 1, .g = 1 };

	flat.selector = MACHINE_CODE_SELECTOR;
	flat.type = 11;
	registers->cs = flat;
	flat.selector = MACHINE_DATA_SELECTOR;
	flat.type = 3;
	registers->ds = registers->es = registers->ss = registers->fs = registers->gs = flat;
	registers->gdt.base = MACHINE_GDT_AT;
	registers->gdt.limit = MACHINE_GDT_ENTRIES * 8 - 1;
	registers->idt.base = MACHINE_IDT_AT;
	registers->idt.limit = MACHINE_IDT_ENTRIES * 8 - 1;
}

/* Leaves system management mode, in which a job that was stopped may have left the CPU. */
static void leave_system_management(const struct machine_cpu *cpu)
{
	struct kvm_vcpu_events events;

	if (!(cpu->run->flags & KVM_RUN_X86_SMM) || ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
		return;
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = 0;
	ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &events);
}

/*
 * Sets all of a CPU's mode for every job, because the job before may have been stopped
 * anywhere.
 */
static bool set_mode(const struct machine_cpu *cpu, enum machine_paging paging)
{
	struct kvm_sregs registers;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &registers) < 0)
		return false;
	set_segments(&registers);
	registers.cr0 = CR0_PROTECTED | CR0_MONITOR | (paging == MACHINE_UNPAGED ? 0 : CR0_PAGING);
	registers.cr3 = machine_root(paging);
	registers.cr4 = CR4_SSE | (paging == MACHINE_TWO_LEVELS ? CR4_LARGE_PAGES : 0) |
			(paging >= MACHINE_THREE_LEVELS ? CR4_WIDE_ENTRIES : 0);
	registers.efer = paging == MACHINE_FOUR_LEVELS ? EFER_LONG : 0;
	return ioctl(cpu->fd, KVM_SET_SREGS, &registers) == 0;
}

static bool set_registers(const struct machine_cpu *cpu, const struct machine_job *job)
{
	struct kvm_regs registers = {
		.rip = machine_entry(job->program), .rsp = MACHINE_STACK_END,
		.rflags = 2,			    .rax = job->eax,
		.rbx = job->ebx,		    .rcx = job->ecx,
		.rdx = job->edx,		    .rsi = job->esi,
		.rdi = job->edi,
	};

	return ioctl(cpu->fd, KVM_SET_REGS, &registers) == 0;
}

/*
 * Lets KVM complete what it is in the middle of (such as a read that waits for its value)
 * before registers are set again.
 */
static void complete(const struct machine_cpu *cpu)
{
	cpu->run->immediate_exit = 1;
	ioctl(cpu->fd, KVM_RUN, 0);
	cpu->run->immediate_exit = 0;
}

static bool is_at_end(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
	       run->io.port == MACHINE_END_PORT;
}

static void answer(struct kvm_run *run)
{
	if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
		memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
		memset((char *)run + run->io.data_offset, 0,
		       (size_t)run->io.size * run->io.count);
}

static enum machine_end run_until_end(const struct machine_cpu *cpu, unsigned signals)
{
	struct kvm_run *run = cpu->run;

	for (unsigned exits = 0; exits < EXITS_MAX; exits++) {
		if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EAGAIN || (errno == EINTR && signals-- > 0))
				continue;
			return errno == EINTR ? MACHINE_STOPPED : MACHINE_FAULTED;
		}
		if (is_at_end(run))
			return MACHINE_ENDED;
		if (run->exit_reason == KVM_EXIT_DIRTY_RING_FULL)
			return MACHINE_RING_FULL;
		if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
			return MACHINE_FAULTED;
		if (run->exit_reason != KVM_EXIT_MMIO && run->exit_reason != KVM_EXIT_IO)
			return MACHINE_STOPPED;
		answer(run);
	}
	return MACHINE_STOPPED;
}

enum machine_end machine_run(const struct virtual_machine *machine, unsigned index,
			     const struct machine_job *job)
{
	/*
	 * At first the second CPU waits for the first, and a CPU that a signal stopped in a
	 * halt would halt again.
	 */
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	const struct machine_cpu *cpu = &machine->cpus[index];
	enum machine_end end;

	leave_system_management(cpu);
	if (machine->plan.irqchip)
		ioctl(cpu->fd, KVM_SET_MP_STATE, &runnable);
	if (!set_mode(cpu, job->paging) || !set_registers(cpu, job))
		return MACHINE_FAULTED;
	end = run_until_end(cpu, job->program == MACHINE_HALT ? 0 : SIGNALS_MAX);
	complete(cpu);
	return end;
}

uint32_t machine_stride(size_t length, size_t pages)
{
	size_t step = (length + pages - 1) / pages;

	return (uint32_t)((step + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
}

bool machine_touch(const struct virtual_machine *machine, size_t offset, size_t length,
		   size_t pages)
{
	struct machine_job job = {
		.program = MACHINE_WRITE_PAGES,
		.ebx = (uint32_t)(MACHINE_MEMORY_AT + offset),
		.ecx = (uint32_t)(MACHINE_MEMORY_AT + offset + length),
		.edx = machine_stride(length, pages),
	};

	return machine_run(machine, 0, &job) == MACHINE_ENDED;
}

unsigned machine_harvest(struct virtual_machine *machine, unsigned index)
{
	struct machine_cpu *cpu = &machine->cpus[index];
	unsigned found = 0;

	if (!cpu->ring)
		return 0;
	for (; found < machine->plan.dirty_ring_entries; found++, cpu->harvested++) {
		struct kvm_dirty_gfn *entry =
			&cpu->ring[cpu->harvested & (machine->plan.dirty_ring_entries - 1)];

		if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	ioctl(machine->fd, KVM_RESET_DIRTY_RINGS, 0);
	return found;
}
