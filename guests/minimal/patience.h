/* SPDX-License-Identifier: MIT */
/*
 * A low priority. The kernel preempts such a process anywhere, for example while it holds a
 * lock or between two steps of accounting, and lets others wait for it. It is not the lowest
 * priority, so that nobody waits for more than about a tenth of a second.
 */
#ifndef SPLAT_PATIENCE_H
#define SPLAT_PATIENCE_H

#include <sys/resource.h>

#define PATIENT_NICE 10

/* Lowers the priority of the calling process, if it may. */
static inline void be_patient(void)
{
	setpriority(PRIO_PROCESS, 0, PATIENT_NICE);
}

#endif
