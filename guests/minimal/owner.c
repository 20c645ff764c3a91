// SPDX-License-Identifier: MIT
#include "owner.h"

#include "notifiers.h"
#include "workload.h"

#include <sys/mman.h>

static char *map_small_pages(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		workload_fail("map %zu MiB", bytes / MIB);
	/* A limit is then reached slowly, and the reaper finds page tables to walk. */
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

static void touch_pages(char *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile char *)(memory + at) = 1;
}

void owner_prepare(const void *context)
{
	const struct owner *owner = context;
	char *memory = map_small_pages(owner->bytes);
	int fd = notifiers_open();

	for (unsigned i = 0; i < owner->notifiers; i++)
		notifiers_add(fd, SPLAT_MN_HLIST, memory, owner->bytes);
	touch_pages(memory, owner->bytes);
}

void owner_provoke(const void *context)
{
	const struct owner *owner = context;

	touch_pages(map_small_pages(owner->appetite), owner->appetite);
}
