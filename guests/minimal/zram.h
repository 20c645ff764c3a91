/* SPDX-License-Identifier: MIT */
/* Swap in compressed memory (/dev/zram0): a device that does not rotate, so that huge pages are swapped whole. */
#ifndef SPLAT_ZRAM_H
#define SPLAT_ZRAM_H

#include <stdbool.h>
#include <stdint.h>

struct zram {
	uint64_t bytes;
	bool is_on;
};

/* Makes the device so large and swaps to it before any other. False where the kernel has no zram. */
bool zram_swap_on(struct zram *zram, uint64_t bytes);

/* Switches it off, where all of it can come back to memory, and gives its memory back. */
void zram_swap_off(struct zram *zram);

/*
 * Switches it off for as long as an alarm lets it; what has come back to memory by then stays there.
 * If all of it has, the device is reset and swapped to anew.
 */
void zram_swap_renew(struct zram *zram, unsigned alarm_ms);

#endif
