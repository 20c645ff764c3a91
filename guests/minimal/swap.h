/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_SWAP_H
#define SPLAT_SWAP_H

#include <stdbool.h>
#include <stdint.h>

/* The guest's disk for swap, where it has one. */
#define SWAP_DEVICE "/dev/vda"

/*
 * Switches swap on for a block device. A blank one (first page all zeros) gets a swap
 * signature first; one with any other content is somebody's and is refused with EBUSY.
 * False with errno set on failure.
 */
bool swap_enable(const char *device);

/* The same, at the highest priority: as long as it has room nothing else is swapped to. */
bool swap_enable_first(const char *device);

/*
 * Switches swap off and on again with only so many bytes of the device in use; what the smaller
 * area cannot take must be able to come back to memory. False with errno set on failure.
 */
bool swap_limit(const char *device, uint64_t bytes);

#endif
