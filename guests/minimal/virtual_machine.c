// SPDX-License-Identifier: MIT
#include "virtual_machine.h"

#include "workload.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>

/* Addresses of the machine. Intel's CPUs want three pages of it for a task state segment. */
#define CODE_AT 0ul
#define MEMORY_AT (16ul * MIB)
#define TSS_AT 0xfffbd000ul

enum slot { CODE_SLOT, MEMORY_SLOT };

/* 32-bit: writes AL to EBX, EBX + 4096, ... below ECX, then halts. */
static const unsigned char touch_pages_code[] = {
	0x88, 0x03,				/* mov %al, (%ebx) */
	0x81, 0xc3, 0x00, 0x10, 0x00, 0x00,	/* add $4096, %ebx */
	0x39, 0xcb,				/* cmp %ecx, %ebx */
	0x72, 0xf4,				/* jb the mov */
	0xf4,					/* hlt */
};

static void set_slot(const struct virtual_machine *machine, enum slot slot, unsigned long at,
		     void *start, size_t length)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = length,
		.userspace_addr = (uintptr_t)start,
	};

	if (ioctl(machine->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		workload_fail("set memory slot %d", slot);
}

void machine_set_memory(const struct virtual_machine *machine, void *start, size_t length)
{
	set_slot(machine, MEMORY_SLOT, MEMORY_AT, start, length);
}

/* A page of its own: what happens to the memory must not take the code away. */
static void load_code(const struct virtual_machine *machine)
{
	void *code = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (code == MAP_FAILED)
		workload_fail("map a page");
	memcpy(code, touch_pages_code, sizeof(touch_pages_code));
	set_slot(machine, CODE_SLOT, CODE_AT, code, PAGE_BYTES);
}

/* Protected mode, flat, without paging: no page tables to build. */
static void set_flat_mode(const struct virtual_machine *machine)
{
	struct kvm_segment flat = { .limit = UINT32_MAX, .selector = 8, .present = 1,
				    .db = 1,		 .s = 1,	.g = 1 };
	struct kvm_sregs registers;

	if (ioctl(machine->cpu_fd, KVM_GET_SREGS, &registers) < 0)
		workload_fail("read the machine's registers");
	flat.type = 11; /* code */
	registers.cs = flat;
	flat.type = 3; /* data */
	registers.ds = registers.es = registers.ss = flat;
	registers.cr0 |= 1;
	if (ioctl(machine->cpu_fd, KVM_SET_SREGS, &registers) < 0)
		workload_fail("set the machine's mode");
}

/* QEMU's own emulation says so there (target/i386/cpu.c, cpu_x86_cpuid(), leaf 0x40000000). */
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

void machine_create(struct virtual_machine *machine)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int run_bytes;

	if (kvm >= 0 && is_emulated() && is_before(6, 1))
		workload_skip("KVM of 5.10 hangs in an emulated CPU; kernels before 6.1 were not tried");
	if (kvm < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		workload_skip("no /dev/kvm: this CPU offers the guest no virtualisation");
	if (kvm < 0)
		workload_fail("open /dev/kvm");
	machine->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	run_bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (machine->fd < 0 || run_bytes < 0)
		workload_fail("create a machine");
	if (ioctl(machine->fd, KVM_SET_TSS_ADDR, TSS_AT) < 0)
		workload_fail("place the machine's TSS");
	load_code(machine);
	machine->cpu_fd = ioctl(machine->fd, KVM_CREATE_VCPU, 0);
	if (machine->cpu_fd < 0)
		workload_fail("create a CPU");
	machine->run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			    machine->cpu_fd, 0);
	if (machine->run == MAP_FAILED)
		workload_fail("map the machine's state");
	set_flat_mode(machine);
}

bool machine_touch(const struct virtual_machine *machine, size_t offset, size_t length)
{
	struct kvm_regs registers = {
		.rip = CODE_AT,
		.rflags = 2,
		.rbx = MEMORY_AT + offset,
		.rcx = MEMORY_AT + offset + length,
	};
	int result;

	if (ioctl(machine->cpu_fd, KVM_SET_REGS, &registers) < 0)
		workload_fail("set the machine's registers");
	do
		result = ioctl(machine->cpu_fd, KVM_RUN, 0);
	while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result == 0 && machine->run->exit_reason == KVM_EXIT_HLT;
}
