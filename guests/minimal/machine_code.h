/* SPDX-License-Identifier: MIT */
/*
 * What the CPUs of a virtual machine (virtual_machine.h) run: 32-bit code at the same place in
 * the low memory of every machine. That memory also holds descriptor tables, page tables, a
 * handler for interrupts, and one for system management mode. All page tables map an address to
 * itself.
 */
#ifndef SPLAT_MACHINE_CODE_H
#define SPLAT_MACHINE_CODE_H

#include <stdint.h>

/*
 * The size of a machine's low memory, which begins at address 0. After a reset, system
 * management code is at 0x38000.
 */
#define MACHINE_LOW_BYTES 0x40000ul

/* Every program ends with a byte to this port, which is used for nothing else. */
#define MACHINE_END_PORT 0xf4

/*
 * The programs. EBX is the first address and ECX the end unless said otherwise; AL or EAX is
 * what is written.
 */
enum machine_program {
	MACHINE_WRITE_PAGES,	/* writes a byte every EDX bytes of [EBX, ECX) */
	MACHINE_READ_PAGES,	/* the same, but reads */
	MACHINE_STORE_1,	/* stores of this many bytes to EBX, at any alignment */
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

/* How the CPU translates addresses. Compatibility mode is 32-bit code with 4-level page tables. */
enum machine_paging {
	MACHINE_UNPAGED,
	MACHINE_TWO_LEVELS,
	MACHINE_THREE_LEVELS,
	MACHINE_FOUR_LEVELS,
	MACHINE_PAGINGS
};

/* Where descriptor tables and page tables are in low memory. */
#define MACHINE_CODE_AT 0x1000u
#define MACHINE_IDT_AT 0x2000u
#define MACHINE_IDT_ENTRIES 256u
#define MACHINE_GDT_AT 0x3000u
#define MACHINE_GDT_ENTRIES 3u
#define MACHINE_STACK_END 0x8000u
#define MACHINE_SMM_AT 0x38000u
#define MACHINE_CODE_SELECTOR 8u
#define MACHINE_DATA_SELECTOR 16u

/*
 * With paging, the 16 MiB around 1 GiB are mapped with 4 KiB pages, and everything else with
 * large pages.
 */
#define MACHINE_SMALL_PAGES_AT ((1ul << 30) - (8ul << 20))
#define MACHINE_SMALL_PAGES_BYTES (16ul << 20)

/* Fills the low memory of a machine, which must be all zero before. */
void machine_load(unsigned char *low);

/* The address at which a program begins. */
uint32_t machine_entry(enum machine_program program);

/* The value of CR3 for a mode with paging. */
uint32_t machine_root(enum machine_paging paging);

/*
 * The address in low memory of the page table entry for an address that is mapped by 4 KiB
 * pages; 0 in MACHINE_UNPAGED.
 */
uint32_t machine_page_entry(enum machine_paging paging, uint32_t address);

#endif
