/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_SWAP_H
#define SPLAT_SWAP_H

#include <stdbool.h>

/*
 * Switches swap on for a block device. A blank one (first page all zeros) gets a swap
 * signature first; one with any other content is somebody's and is refused with EBUSY.
 * False with errno set on failure.
 */
bool swap_enable(const char *device);

#endif
