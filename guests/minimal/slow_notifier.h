/* SPDX-License-Identifier: MIT */
/*
 * A second notifier of the process, whose callback is slow. An invalidation that may block waits there for some milliseconds,
 * between the callbacks of the notifiers that were registered later and their ends: what others change in between meets an
 * invalidation that is half done.
 */
#ifndef SPLAT_SLOW_NOTIFIER_H
#define SPLAT_SLOW_NOTIFIER_H

#include "racers.h"

/* Registers it for the calling process, before the notifiers under test. Does nothing in a kernel without the seeded driver. */
void slow_notifier_register(void);

/* An operation of racers: for 1 to SLOW_NOTIFIER_MS milliseconds callbacks of the notifier wait. */
#define SLOW_NOTIFIER_MS 8
void slow_notifier_hold(struct racer *racer);

#endif
