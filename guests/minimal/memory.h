/* SPDX-License-Identifier: MIT */
/* Anonymous memory page by page, and a guest that is short of it. */
#ifndef SPLAT_MEMORY_H
#define SPLAT_MEMORY_H

#include <stddef.h>

/*
 * Maps anonymous memory without huge pages: a limit is then reached slowly, and a reaper finds
 * page tables to walk. Exits on failure.
 */
char *map_small_pages(size_t bytes);

/* Writes one byte a page. */
void touch_pages(char *memory, size_t bytes);

/* Both of it; what it takes it keeps. */
void eat_memory(size_t bytes);

/*
 * Raises the kernel's reserve (vm.min_free_kbytes) until only so much is left to everybody: who
 * allocates beyond that reclaims directly, and when there is nothing to reclaim calls the OOM
 * killer, as in a guest that is full; kswapd, whose watermarks go up with the reserve, never rests.
 * Really filling a guest takes many seconds under emulation. Exits on failure.
 */
void memory_squeeze(size_t room_bytes);

/* Gives the reserve back as it was before memory_squeeze(). */
void memory_relax(void);

/* A field of /proc/meminfo ("SwapFree") in KiB; exits where there is none. */
unsigned long meminfo_kib(const char *field);

#endif
