/* SPDX-License-Identifier: MIT */
/* Anonymous memory in small pages, and a guest that is short of memory. */
#ifndef SPLAT_MEMORY_H
#define SPLAT_MEMORY_H

#include <stddef.h>

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

/* Sets the reserve to its value before memory_squeeze(). */
void memory_relax(void);

/* A field of /proc/meminfo ("SwapFree") in KiB. Exits if there is no such field. */
unsigned long meminfo_kib(const char *field);

#endif
