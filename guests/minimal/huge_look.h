/* SPDX-License-Identifier: MIT */
/*
 * Ways to look at a range of the process's own mappings, or to change it from outside, that
 * walk its page tables.
 */
#ifndef SPLAT_HUGE_LOOK_H
#define SPLAT_HUGE_LOOK_H

#include "arena.h"

#include <stdint.h>

struct huge_look {
	int pagemap_fd;	/* of this process; -1: the kernel has none */
	int pidfd;	/* of this process */
};

/* Opens the files that these ways need; a way that the kernel lacks is left out. */
void huge_look_open(struct huge_look *look);

/*
 * Looks at the range in one random way, while other threads may change it. The result is not
 * used.
 */
void huge_look_at(const struct huge_look *look, struct range range, uint64_t *random);

#endif
