/* SPDX-License-Identifier: MIT */
/* Well-behaved notifiers on the calling process, registered through /dev/splat_mn. */
#ifndef SPLAT_NOTIFIERS_H
#define SPLAT_NOTIFIERS_H

#include "splat_mn.h"

#include <stddef.h>
#include <stdint.h>

/* Opens the driver. Exits with "skip" if the kernel does not have it. */
int notifiers_open(void);

/*
 * Registers a notifier on the caller's address space, and returns its id for
 * notifiers_remove(). Exits on failure. A notifier of kind SPLAT_MN_HLIST also has an end
 * callback.
 */
uint32_t notifiers_add(int fd, enum splat_mn_kind kind, const void *start, size_t length);

/* The same for kind SPLAT_MN_HLIST, with an end callback only if flags has SPLAT_MN_WITH_END. */
uint32_t notifiers_add_hlist(int fd, uint32_t flags);

void notifiers_remove(int fd, uint32_t id);

/* The value of a counter of the driver, such as "hlist_start_oom_reaper". */
uint64_t notifiers_count(const char *counter);

#endif
