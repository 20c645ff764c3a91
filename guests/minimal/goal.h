/* SPDX-License-Identifier: MIT */
/*
 * The goal of a workload: counters of the kernel that must have moved before it ends. A busy
 * host slows a guest down, so time alone says nothing about what was done. The names are those
 * of harness/stress/counters.ts: driver.NAME, vm.FIELD, calls.FUNCTION.
 */
#ifndef SPLAT_GOAL_H
#define SPLAT_GOAL_H

#include <stdbool.h>

/* Adds a counter, read now: it must exceed this. One that cannot be read is taken for met. */
void goal_add(const char *name);

/*
 * Whether every counter has moved. Any thread, and any child, may ask at any time; the files are
 * read at most every 100 ms by one of them, and not at all once the goal is met.
 */
bool goal_is_met(void);

#endif
