// SPDX-License-Identifier: MIT
#include "memory.h"

#include "files.h"
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RESERVE "/proc/sys/vm/min_free_kbytes"

static char former_reserve[32];

char *map_small_pages(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		workload_fail("map %zu MiB", bytes / MIB);
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

void touch_pages(char *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile char *)(memory + at) = 1;
}

void eat_memory(size_t bytes)
{
	touch_pages(map_small_pages(bytes), bytes);
}

unsigned long meminfo_kib(const char *field)
{
	char text[8192], label[64];
	const char *line;

	snprintf(label, sizeof(label), "\n%s:", field);
	if (!read_file("/proc/meminfo", text, sizeof(text)))
		workload_fail("read /proc/meminfo");
	line = strstr(text, label);
	errno = 0;
	if (!line)
		workload_fail("no %s in /proc/meminfo", field);
	return strtoul(line + strlen(label), NULL, 10);
}

void memory_squeeze(size_t room_bytes)
{
	unsigned long free_kib = meminfo_kib("MemFree"), room_kib = room_bytes / 1024;
	char reserve[32];

	errno = 0;
	if (free_kib <= room_kib)
		workload_fail("%lu KiB are free, want more than %lu", free_kib, room_kib);
	if (!read_file(RESERVE, former_reserve, sizeof(former_reserve)))
		workload_fail("read " RESERVE);
	snprintf(reserve, sizeof(reserve), "%lu", free_kib - room_kib);
	if (!write_file(RESERVE, reserve))
		workload_fail("write " RESERVE);
}

void memory_relax(void)
{
	if (!write_file(RESERVE, former_reserve))
		workload_fail("restore " RESERVE);
}
