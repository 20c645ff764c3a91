// SPDX-License-Identifier: MIT
/*
 * What a machine reaches other than memory: device registers, ports, interrupts, and the host's
 * eventfds behind them.
 */
#include "machines.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * An address without a slot, at the beginning of a page: long enough stores that begin before
 * it are split there.
 */
#define DEVICE_AT 0x20001000u
#define DEVICE_PORT 0x510u
#define SPLIT_AT 0x20008000u
/* A zone whose writes KVM collects without an exit. */
#define COALESCED_AT 0x20004000u
#define APIC_AT 0xfee00000u
#define INTERRUPT_LINES 24u

void machines_open_devices(struct machines *machines)
{
	machines->io_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	machines->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machines->io_fd < 0 || machines->irq_fd < 0)
		workload_fail("eventfd");
}

static uint32_t any_length(struct racer *racer)
{
	static const uint32_t lengths[] = { 0, 1, 2, 4, 8 };

	return lengths[random_below(&racer->random, 5)];
}

/* Adds an eventfd or a coalesced zone at an address, or removes it. */
void device_io_signal(struct racer *racer)
{
	struct machines *machines = racer->shared;
	bool port = random_below(&racer->random, 4) == 0;
	struct kvm_ioeventfd request = {
		.fd = machines->io_fd,
		.addr = port ? DEVICE_PORT : DEVICE_AT,
		.len = any_length(racer),
		.datamatch = random_below(&racer->random, 2),
		.flags = (port ? KVM_IOEVENTFD_FLAG_PIO : 0),
	};
	struct kvm_coalesced_mmio_zone zone = { .addr = COALESCED_AT, .size = PAGE_BYTES };
	uint64_t signals;

	if (request.len != 0 && random_below(&racer->random, 2))
		request.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (ioctl(machines->machine.fd, KVM_IOEVENTFD, &request) < 0) {
		request.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		ioctl(machines->machine.fd, KVM_IOEVENTFD, &request);
	}
	ioctl(machines->machine.fd,
	      random_below(&racer->random, 2) ? KVM_REGISTER_COALESCED_MMIO :
						KVM_UNREGISTER_COALESCED_MMIO,
	      &zone);
	if (read(machines->io_fd, &signals, sizeof(signals)) < 0)
		errno = 0; /* no thread wrote */
}

/*
 * Stores and loads of every width and alignment, around the device and around the ends of
 * memory.
 */
void device_store(struct racer *racer)
{
	struct machines *machines = racer->shared;
	const uint32_t places[] = {
		DEVICE_AT, DEVICE_AT, DEVICE_AT, COALESCED_AT, APIC_AT + 0x300,
		(uint32_t)MACHINE_SMALL_PAGES_AT,
		machines_address(machines, arena_pick(&machines->arena, &racer->random).start),
		(uint32_t)(MACHINE_SMALL_PAGES_AT + MACHINE_SMALL_PAGES_BYTES),
	};
	uint32_t at = places[random_below(&racer->random, sizeof(places) / sizeof(places[0]))];

	for (int i = 0; i < 4; i++) {
		struct machine_job job = {
			.program = MACHINE_STORE_1 + random_below(&racer->random, 6),
			.ebx = at - 16 + (uint32_t)random_below(&racer->random, 24),
			.eax = (uint32_t)random_below(&racer->random, 2),
		};

		machines_run(racer, job);
	}
}

/*
 * Makes every store that crosses into a page which begins with an eventfd's address, for every
 * width that such an address may have. KVM compares the rest of the store with it, at any
 * alignment.
 */
void device_split(struct racer *racer)
{
	static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
	struct machines *machines = racer->shared;
	struct kvm_ioeventfd request = {
		.fd = machines->io_fd,
		.addr = SPLIT_AT,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (pthread_mutex_trylock(&busy) != 0)
		return;
	for (request.len = 2; request.len <= 8; request.len *= 2) {
		request.flags &= ~(uint32_t)KVM_IOEVENTFD_FLAG_DEASSIGN;
		ioctl(machines->machine.fd, KVM_IOEVENTFD, &request);
		for (uint32_t before = 1; before < 16; before++)
			machines_run(racer, (struct machine_job){ .program = before < 8 &&
									    before % 2 == 0 ?
									    MACHINE_STORE_8 :
									    MACHINE_STORE_16,
								  .ebx = SPLIT_AT - before });
		request.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		ioctl(machines->machine.fd, KVM_IOEVENTFD, &request);
	}
	pthread_mutex_unlock(&busy);
}

/* Uses ports: some belong to no device, some to the interrupt controllers and the timer. */
void device_ports(struct racer *racer)
{
	static const uint32_t ports[] = { DEVICE_PORT, 0x40, 0x42, 0x43, 0x61, 0x21, 0xa1, 0x4d0, 0x80 };
	struct machines *machines = racer->shared;
	struct range range = arena_pick(&machines->arena, &racer->random);
	struct machine_job job = {
		.program = random_below(&racer->random, 3) ? MACHINE_PORTS : MACHINE_PORT_STRINGS,
		.ebx = ports[random_below(&racer->random, sizeof(ports) / sizeof(ports[0]))],
		.ecx = 1 + (uint32_t)random_below(&racer->random, 40),
		.esi = machines_address(machines, range.start) + 4096 - 16,
		.edi = machines_address(machines, range.start) + 4096 - 8,
		.eax = (uint32_t)random_below(&racer->random, 2),
	};

	/* A string that is written to a controller's port would be as many commands. */
	if (job.program == MACHINE_PORT_STRINGS)
		job.ebx = DEVICE_PORT;
	machines_run(racer, job);
}

/* Copies between memory and a device, or in memory across the end of a page. */
void device_copy(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct range from = arena_pick(&machines->arena, &racer->random);
	struct range to = arena_pick(&machines->arena, &racer->random);
	struct machine_job job = {
		.program = MACHINE_COPY,
		.esi = machines_address(machines, from.start) + 4096 - 20,
		.edi = machines_address(machines, to.start) + 4096 - 8,
		.ecx = 64,
	};
	uint64_t kind = random_below(&racer->random, 3);

	if (kind == 0)
		job.esi = DEVICE_AT - 20;
	if (kind == 1)
		job.edi = DEVICE_AT - 20;
	machines_run(racer, job);
}

static void raise_by_fd(const struct machines *machines)
{
	uint64_t one = 1;

	if (write(machines->irq_fd, &one, sizeof(one)) < 0)
		errno = 0; /* the eventfd is full */
}

static void connect(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct kvm_irqfd request = {
		.fd = (uint32_t)machines->irq_fd,
		.gsi = (uint32_t)random_below(&racer->random, INTERRUPT_LINES),
		.flags = random_below(&racer->random, 4) ? 0 : KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = (uint32_t)machines->io_fd,
	};

	if (ioctl(machines->machine.fd, KVM_IRQFD, &request) == 0) {
		raise_by_fd(machines);
		return;
	}
	request.flags = KVM_IRQFD_FLAG_DEASSIGN;
	for (request.gsi = 0; request.gsi < INTERRUPT_LINES; request.gsi++)
		ioctl(machines->machine.fd, KVM_IRQFD, &request);
}

static void route(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct {
		struct kvm_irq_routing table;
		struct kvm_irq_routing_entry entries[3];
	} routing = { .table.nr = 1 + (uint32_t)random_below(&racer->random, 3) };

	for (uint32_t i = 0; i < 3; i++) {
		uint32_t line = (uint32_t)random_below(&racer->random, 8);

		routing.entries[i] = (struct kvm_irq_routing_entry){
			.gsi = line,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_PIC_MASTER, .pin = line },
		};
	}
	if (random_below(&racer->random, 2))
		routing.entries[0] = (struct kvm_irq_routing_entry){
			.gsi = 5,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = APIC_AT, .data = 0x4031 },
		};
	ioctl(machines->machine.fd, KVM_SET_GSI_ROUTING, &routing);
}

void device_interrupt(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct kvm_irq_level level = { .irq = (uint32_t)random_below(&racer->random, 16) };
	struct kvm_msi message = { .address_lo = APIC_AT, .data = 0x4031 };

	switch (racer_way(racer, 6)) {
	case 0:
	case 5:
		connect(racer);
		break;
	case 1:
		raise_by_fd(machines);
		break;
	case 2:
		level.level = 1;
		ioctl(machines->machine.fd, KVM_IRQ_LINE, &level);
		level.level = 0;
		ioctl(machines->machine.fd, KVM_IRQ_LINE, &level);
		break;
	case 3:
		ioctl(machines->machine.fd, KVM_SIGNAL_MSI, &message);
		break;
	default:
		route(racer);
	}
}

/* Halts in the kernel until an interrupt or a signal comes. */
void device_halt(struct racer *racer)
{
	if (random_below(&racer->random, 2))
		device_interrupt(racer);
	machines_run(racer, (struct machine_job){ .program = MACHINE_HALT });
}

/*
 * Makes the CPU's next run begin in system management mode, sometimes with a non-maskable
 * interrupt as well.
 */
void device_system_management(struct racer *racer)
{
	struct machines *machines = racer->shared;
	struct machine_cpu *cpu =
		&machines->machine.cpus[random_below(&racer->random, machines->machine.plan.cpus)];

	ioctl(cpu->fd, KVM_SMI, 0);
	if (random_below(&racer->random, 3) == 0)
		ioctl(cpu->fd, KVM_NMI, 0);
	for (int i = 0; i < 2; i++)
		machines_run(racer, (struct machine_job){ .program = MACHINE_IDENTIFY,
							  .ebx = MACHINE_STACK_END });
}
