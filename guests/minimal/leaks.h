/* SPDX-License-Identifier: MIT */
/* What the kernel still keeps though nobody uses it any more. */
#ifndef SPLAT_LEAKS_H
#define SPLAT_LEAKS_H

/*
 * The number of dma-bufs in the kernel's list (/sys/kernel/debug/dma_buf/bufinfo); -1 if it has
 * no such list.
 */
long leaks_buffers(void);

/*
 * Ends the program with workload_leaked() when there are more dma-bufs than before for longer
 * than two seconds. It is for programs that are alone in their guest, after the process that
 * made the buffers has ended; `maker` names what made them.
 */
void leaks_check_buffers(long before, const char *maker);

#endif
