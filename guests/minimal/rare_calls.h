/* SPDX-License-Identifier: MIT */
/* System calls on memory that programs seldom make, and that no other workload makes. */
#ifndef SPLAT_RARE_CALLS_H
#define SPLAT_RARE_CALLS_H

#include "arena.h"

/*
 * Makes one of these calls; it may fail because another thread was faster. The file must be at
 * least one cell large.
 */
void rare_call(const struct arena *arena, int shmem_fd, uint64_t *random);

#endif
