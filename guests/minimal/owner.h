/* SPDX-License-Identifier: MIT */
/* The life of a victim that owns hlist notifiers of the driver, and memory below them. */
#ifndef SPLAT_OWNER_H
#define SPLAT_OWNER_H

#include <stddef.h>

struct owner {
	size_t bytes;		/* bytes that it has touched when it is prepared */
	unsigned notifiers;	/* at least 1 */
	size_t appetite;	/* bytes it touches when provoked */
};

/* For struct victim_life; the context is a struct owner. */
void owner_prepare(const void *owner);
void owner_provoke(const void *owner);

#endif
