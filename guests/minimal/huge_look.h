/* SPDX-License-Identifier: MIT */
/* Ways to look at a range of one's own mappings, or to treat it from outside, that walk its page tables. */
#ifndef SPLAT_HUGE_LOOK_H
#define SPLAT_HUGE_LOOK_H

#include "arena.h"

#include <stdint.h>

struct huge_look {
	int pagemap_fd;	/* of this process; -1: the kernel has none */
	int pidfd;	/* of this process */
};

/* Opens what looking needs; what the kernel lacks is left out. */
void huge_look_open(struct huge_look *look);

/* One random look at the range, which other threads may change meanwhile; nothing is concluded from it. */
void huge_look_at(const struct huge_look *look, struct range range, uint64_t *random);

#endif
