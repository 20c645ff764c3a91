/* SPDX-License-Identifier: MIT */
/*
 * Signals that a thread gets every 1 to 50 ms and that do nothing, so that the kernel does what
 * it does when a signal is pending: faults and system calls are given up, half done, or begun
 * again.
 */
#ifndef SPLAT_SIGNALS_H
#define SPLAT_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Begins to interrupt the calling thread. `random` decides the period; `restarts` says whether
 * SA_RESTART is set. When *progress does not change from one signal to the next, the period
 * doubles, and halves again later: fork(2) with many pages begins anew at each signal and would
 * otherwise never end. Exits on failure.
 */
void signals_start(const uint64_t *progress, uint64_t random, bool restarts);

/* Ends the signals. The same thread must call it. */
void signals_stop(void);

#endif
