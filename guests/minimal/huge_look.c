// SPDX-License-Identifier: MIT
#include "huge_look.h"

#include "files.h"
#include "random.h"
#include "workload.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define CELL_PAGES (ARENA_CELL_BYTES / PAGE_BYTES)
#define SPLIT_FILE "/sys/kernel/debug/split_huge_pages"
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* PAGEMAP_SCAN of <linux/fs.h>, of Linux 6.7 (Documentation/admin-guide/mm/pagemap.rst). */
struct scan_region {
	__u64 start, end, categories;
};
struct scan_request {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN _IOWR('f', 16, struct scan_request)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_HUGE (1u << 6)

void huge_look_open(struct huge_look *look)
{
	look->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	look->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (look->pidfd < 0)
		workload_fail("pidfd_open");
}

static void read_pagemap(const struct huge_look *look, struct range range)
{
	uint64_t entries[CELL_PAGES];
	off_t at = (off_t)((uintptr_t)range.start / PAGE_BYTES * sizeof(entries[0]));

	(void)!pread(look->pagemap_fd, entries, sizeof(entries), at);
}

static void scan_pagemap(const struct huge_look *look, struct range range)
{
	struct scan_region regions[16];
	struct scan_request request = {
		.size = sizeof(request),
		.start = (uintptr_t)range.start,
		.end = (uintptr_t)range.start + range.length,
		.vec = (uintptr_t)regions,
		.vec_len = sizeof(regions) / sizeof(regions[0]),
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED | SCAN_HUGE,
	};

	ioctl(look->pagemap_fd, SCAN, &request);
}

static void advise_from_outside(const struct huge_look *look, struct range range, uint64_t *random)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE };
	struct iovec vector = { range.start, range.length };

	syscall(SYS_process_madvise, look->pidfd, &vector, 1ul, advice[random_below(random, 4)], 0);
}

/* Has the kernel split the huge pages of a range, by their addresses. */
static void split(struct range range)
{
	char request[96];

	snprintf(request, sizeof(request), "%d,0x%lx,0x%lx", getpid(), (unsigned long)range.start,
		 (unsigned long)(range.start + range.length));
	write_file(SPLIT_FILE, request);
}

static void look_for_residents(struct range range)
{
	unsigned char there[CELL_PAGES];

	range.length = ARENA_CELL_BYTES;
	mincore(range.start, range.length, there);
}

/*
 * Puts other file pages at the addresses of a shared mapping; the kernel does it with two
 * mappings.
 */
static void remap(struct range range, uint64_t *random)
{
	remap_file_pages(range.start, PAGE_BYTES, 0, random_below(random, CELL_PAGES), 0);
}

void huge_look_at(const struct huge_look *look, struct range range, uint64_t *random)
{
	switch (random_below(random, 6)) {
	case 0:
		read_pagemap(look, range);
		return;
	case 1:
		scan_pagemap(look, range);
		return;
	case 2:
		advise_from_outside(look, range, random);
		return;
	case 3:
		split(range);
		return;
	case 4:
		look_for_residents(range);
		return;
	default:
		remap(range, random);
	}
}
