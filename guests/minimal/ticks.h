/* SPDX-License-Identifier: MIT */
/* A repeated signal to a thread that may otherwise stay in a system call for ever. */
#ifndef SPLAT_TICKS_H
#define SPLAT_TICKS_H

/*
 * From now on the calling thread gets SIGUSR1 every `every_ms` milliseconds until it ends;
 * system calls that it is in fail with EINTR. Later calls by the same thread change nothing.
 * Exits on failure.
 */
void ticks_start(unsigned long every_ms);

#endif
