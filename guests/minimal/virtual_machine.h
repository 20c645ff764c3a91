/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine inside the guest, of one CPU and one piece of memory (Documentation/virt/kvm/
 * api.rst). KVM registers an hlist notifier on the process that creates it, and unmaps from the
 * machine what is invalidated in the process.
 */
#ifndef SPLAT_VIRTUAL_MACHINE_H
#define SPLAT_VIRTUAL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

struct virtual_machine {
	int fd;
	int cpu_fd;
	struct kvm_run *run;
};

/* Exits on failure, with "skip" where the kernel offers no virtualisation. */
void machine_create(struct virtual_machine *machine);

/* Makes this its memory, in place of any before; length 0 takes it away. Exits on failure. */
void machine_set_memory(const struct virtual_machine *machine, void *start, size_t length);

/*
 * Runs a program in it that writes one byte a page of [offset, offset + length) of its memory, both
 * in whole pages. False if it came upon something that is not mapped. One caller at a time.
 */
bool machine_touch(const struct virtual_machine *machine, size_t offset, size_t length);

#endif
