// SPDX-License-Identifier: MIT
#include "machine_code.h"

#include <string.h>

/*
 * Page tables: where each kind begins, and the bits of its entries (Intel SDM, volume 3,
 * chapter 4).
 */
#define TWO_LEVEL_ROOT 0x10000u
#define THREE_LEVEL_ROOT 0x11000u
#define DIRECTORIES 0x12000u /* of 2 MiB pages, four of them for 4 GiB */
#define FOUR_LEVEL_ROOT 0x16000u
#define FOUR_LEVEL_POINTERS 0x17000u
#define WIDE_TABLES 0x18000u   /* of 8-byte entries, eight tables of 2 MiB */
#define NARROW_TABLES 0x20000u /* of 4-byte entries, four tables of 4 MiB */

#define PRESENT 1u
#define WRITABLE 2u
#define LARGE 0x80u

#define END_PROGRAM "out %al, $0xf4\n 9: jmp 9b\n"

/* The code does not depend on its address. Each label's number is that of its program. */
__asm__(".pushsection .rodata.machine_code, \"a\", @progbits\n"
	".code32\n"
	".globl machine_code_begin, machine_code_end, machine_interrupt\n"
	".globl machine_smm_begin, machine_smm_end\n"
	"machine_code_begin:\n"

	"write_pages: mov %al, (%ebx)\n add %edx, %ebx\n cmp %ecx, %ebx\n jb write_pages\n"
	END_PROGRAM
	"read_pages: mov (%ebx), %al\n add %edx, %ebx\n cmp %ecx, %ebx\n jb read_pages\n"
	END_PROGRAM
	"store_1: mov %al, (%ebx)\n" END_PROGRAM
	"store_2: mov %ax, (%ebx)\n" END_PROGRAM
	"store_4: mov %eax, (%ebx)\n" END_PROGRAM
	"store_8: movd %eax, %mm0\n movq %mm0, (%ebx)\n emms\n" END_PROGRAM
	"store_16: movd %eax, %xmm0\n movups %xmm0, (%ebx)\n" END_PROGRAM
	"loads: mov (%ebx), %al\n mov (%ebx), %ax\n mov (%ebx), %eax\n"
	" movq (%ebx), %mm0\n emms\n movups (%ebx), %xmm0\n" END_PROGRAM
	"copy: cld\n rep movsb\n" END_PROGRAM
	"ports: mov %ebx, %edx\n out %al, %dx\n out %ax, %dx\n out %eax, %dx\n"
	" in %dx, %al\n in %dx, %ax\n in %dx, %eax\n" END_PROGRAM
	"port_strings: mov %ebx, %edx\n cld\n mov %ecx, %ebp\n rep outsb\n mov %ebp, %ecx\n"
	" rep insb\n" END_PROGRAM
	"identify: xor %eax, %eax\n cpuid\n mov $1, %eax\n cpuid\n rdtsc\n"
	" mov $0xc0000080, %ecx\n rdmsr\n mov $0x1b, %ecx\n rdmsr\n mov $0x10, %ecx\n rdmsr\n"
	" mov %cr0, %eax\n mov %cr4, %eax\n sgdt (%ebx)\n sidt (%ebx)\n wbinvd\n" END_PROGRAM
	"remap: lock xorl $0x200, (%ebx)\n invlpg (%ecx)\n mov %cr3, %eax\n mov %eax, %cr3\n"
	" movb $1, (%ecx)\n" END_PROGRAM
	"halt: sti\n hlt\n cli\n" END_PROGRAM
	"call_host: vmmcall\n" END_PROGRAM

	/*
	 * Sends the end of interrupt to the first interrupt controller; after an NMI this is
	 * not needed and does no harm.
	 */
	"machine_interrupt: push %eax\n mov $0x20, %al\n out %al, $0x20\n pop %eax\n iret\n"
	"machine_code_end:\n"

	"machine_smm_begin: rsm\n machine_smm_end:\n"

	".balign 4\n"
	".globl machine_entries\n"
	"machine_entries:\n"
	" .long write_pages - machine_code_begin, read_pages - machine_code_begin\n"
	" .long store_1 - machine_code_begin, store_2 - machine_code_begin\n"
	" .long store_4 - machine_code_begin, store_8 - machine_code_begin\n"
	" .long store_16 - machine_code_begin, loads - machine_code_begin\n"
	" .long copy - machine_code_begin, ports - machine_code_begin\n"
	" .long port_strings - machine_code_begin, identify - machine_code_begin\n"
	" .long remap - machine_code_begin, halt - machine_code_begin\n"
	" .long call_host - machine_code_begin\n"
	".code64\n"
	".popsection\n");

extern const unsigned char machine_code_begin[], machine_code_end[], machine_interrupt[];
extern const unsigned char machine_smm_begin[], machine_smm_end[];
extern const uint32_t machine_entries[MACHINE_PROGRAMS];

static void put(unsigned char *low, uint32_t at, uint64_t value, size_t bytes)
{
	memcpy(low + at, &value, bytes);
}

static void put_descriptors(unsigned char *low)
{
	uint32_t handler = MACHINE_CODE_AT + (uint32_t)(machine_interrupt - machine_code_begin);

	/* Flat 32-bit segments: code, then data. */
	put(low, MACHINE_GDT_AT + MACHINE_CODE_SELECTOR, 0x00cf9b000000ffffull, 8);
	put(low, MACHINE_GDT_AT + MACHINE_DATA_SELECTOR, 0x00cf93000000ffffull, 8);
	/* 32-bit interrupt gates. */
	for (uint32_t i = 0; i < MACHINE_IDT_ENTRIES; i++)
		put(low, MACHINE_IDT_AT + i * 8,
		    (handler & 0xffff) | MACHINE_CODE_SELECTOR << 16 | 0x8e00ull << 32 |
			    (uint64_t)(handler >> 16) << 48,
		    8);
}

static void put_page_tables(unsigned char *low)
{
	const uint64_t small = MACHINE_SMALL_PAGES_AT, small_end = small + MACHINE_SMALL_PAGES_BYTES;

	for (uint64_t i = 0, at = 0; i < 1024; i++, at += 4ul << 20)
		put(low, TWO_LEVEL_ROOT + (uint32_t)i * 4,
		    at >= small && at < small_end ?
			    (NARROW_TABLES + ((at - small) >> 22 << 12)) | PRESENT | WRITABLE :
			    at | PRESENT | WRITABLE | LARGE,
		    4);
	for (uint64_t i = 0, at = 0; i < 2048; i++, at += 2ul << 20)
		put(low, DIRECTORIES + (uint32_t)i * 8,
		    at >= small && at < small_end ?
			    (WIDE_TABLES + ((at - small) >> 21 << 12)) | PRESENT | WRITABLE :
			    at | PRESENT | WRITABLE | LARGE,
		    8);
	for (uint32_t i = 0; i < 4; i++) {
		put(low, THREE_LEVEL_ROOT + i * 8, (DIRECTORIES + i * 4096) | PRESENT, 8);
		put(low, FOUR_LEVEL_POINTERS + i * 8,
		    (DIRECTORIES + i * 4096) | PRESENT | WRITABLE, 8);
	}
	put(low, FOUR_LEVEL_ROOT, FOUR_LEVEL_POINTERS | PRESENT | WRITABLE, 8);
	for (uint64_t at = small; at < small_end; at += 4096) {
		put(low, machine_page_entry(MACHINE_TWO_LEVELS, (uint32_t)at),
		    at | PRESENT | WRITABLE, 4);
		put(low, machine_page_entry(MACHINE_FOUR_LEVELS, (uint32_t)at),
		    at | PRESENT | WRITABLE, 8);
	}
}

void machine_load(unsigned char *low)
{
	memcpy(low + MACHINE_CODE_AT, machine_code_begin,
	       (size_t)(machine_code_end - machine_code_begin));
	memcpy(low + MACHINE_SMM_AT, machine_smm_begin,
	       (size_t)(machine_smm_end - machine_smm_begin));
	put_descriptors(low);
	put_page_tables(low);
}

uint32_t machine_entry(enum machine_program program)
{
	return MACHINE_CODE_AT + machine_entries[program];
}

uint32_t machine_root(enum machine_paging paging)
{
	static const uint32_t roots[MACHINE_PAGINGS] = {
		[MACHINE_TWO_LEVELS] = TWO_LEVEL_ROOT,
		[MACHINE_THREE_LEVELS] = THREE_LEVEL_ROOT,
		[MACHINE_FOUR_LEVELS] = FOUR_LEVEL_ROOT,
	};

	return roots[paging];
}

uint32_t machine_page_entry(enum machine_paging paging, uint32_t address)
{
	uint32_t page = (address - (uint32_t)MACHINE_SMALL_PAGES_AT) / 4096;

	if (paging == MACHINE_UNPAGED)
		return 0;
	return paging == MACHINE_TWO_LEVELS ? NARROW_TABLES + page * 4 : WIDE_TABLES + page * 8;
}
