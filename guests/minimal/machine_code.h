/* SPDX-License-Identifier: MIT */
/*
 * What the CPUs of a virtual machine (virtual_machine.h) run: 32-bit code that lies at the same
 * place in the low memory of every machine, and what that memory holds besides: descriptor
 * tables, page tables, a handler for interrupts, and one for system management mode. All page
 * tables map an address to itself.
 */
#ifndef SPLAT_MACHINE_CODE_H
#define SPLAT_MACHINE_CODE_H

#include <stdint.h>

/* Low memory of a machine: from address 0 on. System management code is at 0x38000 after a reset. */
#define MACHINE_LOW_BYTES 0x40000ul

/* Every program ends by a byte written to this port, and this is the only use of the port. */
#define MACHINE_END_PORT 0xf4

/*
 * Programs. Addresses are in EBX (first) and ECX (end) unless said otherwise; AL or EAX is what
 * is written.
 */
enum machine_program {
	MACHINE_WRITE_PAGES,	/* a byte every EDX bytes of [EBX, ECX) */
	MACHINE_READ_PAGES,	/* the same, read */
	MACHINE_STORE_1,	/* stores to EBX of so many bytes, at any alignment */
	MACHINE_STORE_2,
	MACHINE_STORE_4,
	MACHINE_STORE_8,
	MACHINE_STORE_16,
	MACHINE_LOADS,		/* loads of 1, 2, 4, 8 and 16 bytes from EBX */
	MACHINE_COPY,		/* string copy of ECX bytes from ESI to EDI */
	MACHINE_PORTS,		/* out and in of 1, 2 and 4 bytes at the port EBX */
	MACHINE_PORT_STRINGS,	/* out from ESI, then in to EDI, of ECX bytes at the port EBX */
	MACHINE_IDENTIFY,	/* cpuid, rdtsc, and reads of some registers of the model */
	MACHINE_REMAP,		/* flips an ignored bit of the page table entry at EBX, drops its translation, reloads CR3 */
	MACHINE_HALT,		/* enables interrupts and halts until one comes */
	MACHINE_CALL_HOST,	/* vmmcall with EAX, EBX, ECX, EDX, ESI */
	MACHINE_PROGRAMS
};

/* How the CPU translates addresses. Compatibility mode is 32-bit code under 4-level tables. */
enum machine_paging {
	MACHINE_UNPAGED,
	MACHINE_TWO_LEVELS,
	MACHINE_THREE_LEVELS,
	MACHINE_FOUR_LEVELS,
	MACHINE_PAGINGS
};

/* Descriptor tables and page tables in low memory. */
#define MACHINE_CODE_AT 0x1000u
#define MACHINE_IDT_AT 0x2000u
#define MACHINE_IDT_ENTRIES 256u
#define MACHINE_GDT_AT 0x3000u
#define MACHINE_GDT_ENTRIES 3u
#define MACHINE_STACK_END 0x8000u
#define MACHINE_SMM_AT 0x38000u
#define MACHINE_CODE_SELECTOR 8u
#define MACHINE_DATA_SELECTOR 16u

/* The 16 MiB around 1 GiB are mapped by 4 KiB pages where there is paging, all else by large ones. */
#define MACHINE_SMALL_PAGES_AT ((1ul << 30) - (8ul << 20))
#define MACHINE_SMALL_PAGES_BYTES (16ul << 20)

/* Fills the low memory of a machine, all zero before. */
void machine_load(unsigned char *low);

/* Where a program begins. */
uint32_t machine_entry(enum machine_program program);

/* CR3 of a mode with paging. */
uint32_t machine_root(enum machine_paging paging);

/* The entry of a 4 KiB page of the small ones, in low memory; 0 in MACHINE_UNPAGED. */
uint32_t machine_page_entry(enum machine_paging paging, uint32_t address);

#endif
