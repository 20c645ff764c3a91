// SPDX-License-Identifier: MIT
#include "owner.h"

#include "memory.h"
#include "notifiers.h"

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

	eat_memory(owner->appetite);
}
