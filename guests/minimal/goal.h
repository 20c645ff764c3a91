/* SPDX-License-Identifier: MIT */
/*
 * The goal of a workload: kernel counters that must have changed before the workload ends. A
 * busy host slows a guest down, so the time alone says nothing about what was done. Names are
 * those of harness/stress/counters.ts: driver.NAME, vm.FIELD, calls.FUNCTION.
 */
#ifndef SPLAT_GOAL_H
#define SPLAT_GOAL_H

#include <stdbool.h>

/*
 * Adds a counter and reads it now: its value must become larger. A counter that cannot be read
 * counts as met.
 */
void goal_add(const char *name);

/*
 * True if every counter has changed. Any thread and any child may call it at any time. The
 * files are read at most every 100 ms, by one of the callers, and no more once the goal is met.
 */
bool goal_is_met(void);

#endif
