/* SPDX-License-Identifier: MIT */
/* What the kernel still keeps when nobody has it any more. */
#ifndef SPLAT_LEAKS_H
#define SPLAT_LEAKS_H

/* Dma-bufs that there are, by the kernel's own list (/sys/kernel/debug/dma_buf/bufinfo); -1 where it has none. */
long leaks_buffers(void);

/*
 * Ends the program by workload_leaked() when there are more dma-bufs than before and that does not change within two
 * seconds. For programs that are alone in their guest, when whoever made a buffer has ended; `maker` is named.
 */
void leaks_check_buffers(long before, const char *maker);

#endif
