// SPDX-License-Identifier: MIT
#include "memory.h"

#include "files.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
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

/* The allocations that reclaimed directly (try_to_free_pages() in mm/vmscan.c). */
#define STALLS "allocstall_*"
#define STALL_BYTES ((size_t)64 * 1024)
#define STALL_TRIES 50
static uint64_t stalls; /* before the squeeze */
static unsigned long squeezed_kib;

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

bool vmstat(const char *name, uint64_t *value)
{
	FILE *file = fopen("/proc/vmstat", "re");
	size_t stem = strcspn(name, "*");
	bool is_sum = name[stem] == '*', is_there = false;
	char field[64];
	uint64_t number;

	*value = 0;
	while (file && fscanf(file, "%63s %" SCNu64, field, &number) == 2) {
		if (is_sum ? strncmp(field, name, stem) == 0 : strcmp(field, name) == 0) {
			*value += number;
			is_there = true;
		}
	}
	if (file)
		fclose(file);
	return is_there;
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
	vmstat(STALLS, &stalls);
	squeezed_kib = free_kib - room_kib;
	snprintf(value, sizeof(value), "%lu", squeezed_kib);
	change(&reserve, value);
}

static void set_reserve(unsigned long kib)
{
	char value[32];

	snprintf(value, sizeof(value), "%lu", kib);
	if (!write_file(reserve.path, value))
		workload_fail("write %s to %s", value, reserve.path);
}

static bool has_stalled(void)
{
	uint64_t now;

	return vmstat(STALLS, &now) && now > stalls;
}

void memory_stall(void)
{
	char *pages = map_small_pages(STALL_BYTES);
	bool stalled = has_stalled();

	/* A little more each time: the zones share the reserve, and one may have more to spare. */
	for (unsigned long tried = 1; !stalled && tried <= STALL_TRIES; tried++) {
		unsigned long missing_kib = 512 * (tried < 8 ? tried : 8);

		set_reserve(meminfo_kib("MemFree") + missing_kib);
		touch_pages(pages, STALL_BYTES);
		set_reserve(squeezed_kib);
		madvise(pages, STALL_BYTES, MADV_DONTNEED);
		stalled = has_stalled();
	}
	munmap(pages, STALL_BYTES);
}

void memory_relax(void)
{
	restore(&reserve);
	if (list_fraction.former[0] != '\0')
		restore(&list_fraction);
}
