/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_SWAP_H
#define SPLAT_SWAP_H

#include <stdbool.h>
#include <stdint.h>

/* The guest's disk for swap, if it has one. */
#define SWAP_DEVICE "/dev/vda"

/*
 * Switches swap on for a block device. A blank device (first page all zeros) gets a swap
 * signature first; a device with other content is refused with EBUSY. False with errno set on
 * failure.
 */
bool swap_enable(const char *device);

/*
 * The same, with the highest priority: as long as the device has room, nothing is swapped to
 * another one.
 */
bool swap_enable_first(const char *device);

/*
 * Switches swap off and on again, with only `bytes` bytes of the device in use. What does not
 * fit into the smaller area must fit into memory. False with errno set on failure.
 */
bool swap_limit(const char *device, uint64_t bytes);

#endif
