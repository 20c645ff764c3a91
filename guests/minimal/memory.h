/* SPDX-License-Identifier: MIT */
/* Anonymous memory in small pages, and a guest that is short of memory. */
#ifndef SPLAT_MEMORY_H
#define SPLAT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Maps anonymous memory without huge pages, so that a limit is reached slowly, and a reaper has
 * page tables to walk. Exits on failure.
 */
char *map_small_pages(size_t bytes);

/* Writes one byte of each page. */
void touch_pages(char *memory, size_t bytes);

/* Maps and touches memory, and keeps it. */
void eat_memory(size_t bytes);

/*
 * Raises the kernel's reserve (vm.min_free_kbytes) until only room_bytes are left for all
 * processes. Whoever allocates more reclaims directly and, when there is nothing to reclaim,
 * calls the OOM killer, as in a full guest; kswapd, whose watermarks rise with the reserve,
 * never rests. Really filling a guest takes many seconds under emulation. Exits on failure.
 */
void memory_squeeze(size_t room_bytes);

/*
 * Allocates until an allocation has reclaimed directly, and returns at once when that has
 * happened since memory_squeeze(). kswapd alone may keep up with a guest whose CPUs its host
 * stops: so the reserve is raised above what is free, and the very next allocation finds too
 * little. It gives up after many tries. Exits when the reserve cannot be written.
 */
void memory_stall(void);

/* Sets the reserve to its value before memory_squeeze(). */
void memory_relax(void);

/*
 * Reads a field of /proc/vmstat; "allocstall_*" is the sum of the fields that begin with
 * "allocstall_". False if there is no such field.
 */
bool vmstat(const char *name, uint64_t *value);

/* A field of /proc/meminfo ("SwapFree") in KiB. Exits if there is no such field. */
unsigned long meminfo_kib(const char *field);

#endif
