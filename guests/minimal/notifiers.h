/* SPDX-License-Identifier: MIT */
/* Well-behaved notifiers on the calling process, through the driver /dev/splat_mn. */
#ifndef SPLAT_NOTIFIERS_H
#define SPLAT_NOTIFIERS_H

#include "splat_mn.h"

#include <stddef.h>
#include <stdint.h>

/* Opens the driver; exits with "skip" where the kernel has none. */
int notifiers_open(void);

/*
 * Registers one on the caller's address space and returns its id for notifiers_remove().
 * Exits on failure. A notifier of kind SPLAT_MN_HLIST has an end callback too.
 */
uint32_t notifiers_add(int fd, enum splat_mn_kind kind, const void *start, size_t length);

void notifiers_remove(int fd, uint32_t id);

/* The driver's counter of this name, e.g. "hlist_start_oom_reaper". */
uint64_t notifiers_count(const char *counter);

#endif
