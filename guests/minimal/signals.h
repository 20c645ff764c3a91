/* SPDX-License-Identifier: MIT */
/*
 * Signals that come every 1 to 50 ms to a thread and do nothing, so that what the kernel does when a
 * signal is pending happens: faults and system calls that are given up, half done, or begun again.
 */
#ifndef SPLAT_SIGNALS_H
#define SPLAT_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Begins to interrupt the calling thread, at a period that random decides, with SA_RESTART or without.
 * While *progress stands still from one signal to the next the period doubles, and halves again after
 * that: fork(2) with many pages begins anew at each signal and would otherwise never end. Exits on
 * failure.
 */
void signals_start(const uint64_t *progress, uint64_t random, bool restarts);

/* Ends it; the same thread. */
void signals_stop(void);

#endif
