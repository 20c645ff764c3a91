/* SPDX-License-Identifier: MIT */
/* The life of a victim that owns hlist notifiers of the driver and memory under them. */
#ifndef SPLAT_OWNER_H
#define SPLAT_OWNER_H

#include <stddef.h>

struct owner {
	size_t bytes;		/* what it has touched when it is prepared */
	unsigned notifiers;	/* at least 1 */
	size_t appetite;	/* bytes it touches when provoked */
};

/* For struct victim_life, with a struct owner as context. */
void owner_prepare(const void *owner);
void owner_provoke(const void *owner);

#endif
