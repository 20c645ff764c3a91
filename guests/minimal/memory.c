// SPDX-License-Identifier: MIT
#include "memory.h"

#include "files.h"
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct setting {
	const char *path;
	char former[32];
};

static struct setting reserve = { .path = "/proc/sys/vm/min_free_kbytes" };

/*
 * A CPU may keep freed pages for itself, the more the higher the watermarks are
 * (zone_highsize() in mm/page_alloc.c). In a squeezed guest it would keep all that an OOM kill
 * gave back, and the other CPU would go on killing: 30 MiB, then a panic, were seen on 6.12.
 * This fraction of a zone is enough. Kernels before 5.14 have no such file; there the list did
 * not grow with the watermarks.
 */
static struct setting list_fraction = { .path = "/proc/sys/vm/percpu_pagelist_high_fraction" };
#define LIST_FRACTION "1000"

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

static void change(struct setting *setting, const char *value)
{
	if (!read_file(setting->path, setting->former, sizeof(setting->former)))
		workload_fail("read %s", setting->path);
	if (!write_file(setting->path, value))
		workload_fail("write %s to %s", value, setting->path);
}

static void restore(const struct setting *setting)
{
	if (!write_file(setting->path, setting->former))
		workload_fail("restore %s", setting->path);
}

void memory_squeeze(size_t room_bytes)
{
	unsigned long free_kib = meminfo_kib("MemFree"), room_kib = room_bytes / 1024;
	char value[32];

	errno = 0;
	if (free_kib <= room_kib)
		workload_fail("%lu KiB are free, want more than %lu", free_kib, room_kib);
	if (access(list_fraction.path, F_OK) == 0)
		change(&list_fraction, LIST_FRACTION);
	snprintf(value, sizeof(value), "%lu", free_kib - room_kib);
	change(&reserve, value);
}

void memory_relax(void)
{
	restore(&reserve);
	if (list_fraction.former[0] != '\0')
		restore(&list_fraction);
}
