/* SPDX-License-Identifier: MIT */
/* Signals that interrupt one thread again and again, so that interruptible waits in the kernel take their error paths. */
#ifndef SPLAT_ALARMS_H
#define SPLAT_ALARMS_H

#include <time.h>

struct alarms {
	timer_t timer;
};

/*
 * Interrupts the calling thread every period_us microseconds. System calls that are interrupted
 * are not restarted (signal(7), SA_RESTART). Exits on failure.
 */
void alarms_start(struct alarms *alarms, unsigned long period_us);
void alarms_stop(struct alarms *alarms);

#endif
