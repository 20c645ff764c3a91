/* SPDX-License-Identifier: MIT */
/*
 * Swap in compressed memory (/dev/zram0). The device does not rotate, so huge pages are swapped
 * as a whole.
 */
#ifndef SPLAT_ZRAM_H
#define SPLAT_ZRAM_H

#include <stdbool.h>
#include <stdint.h>

struct zram {
	uint64_t bytes;
	bool is_on;
};

/*
 * Gives the device this size, and swaps to it before any other. False if the kernel has no
 * zram.
 */
bool zram_swap_on(struct zram *zram, uint64_t bytes);

/* Switches the swap off, if all of it fits into memory, and frees the device's memory. */
void zram_swap_off(struct zram *zram);

/*
 * Switches the swap off until an alarm stops that; what has come back to memory by then stays
 * there. If everything has come back, the device is reset and used for swap anew.
 */
void zram_swap_renew(struct zram *zram, unsigned alarm_ms);

#endif
