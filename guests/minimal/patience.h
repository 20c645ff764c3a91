/* SPDX-License-Identifier: MIT */
/*
 * A low priority: the kernel preempts such a process wherever it is, with a lock held or between two steps of an account, and
 * lets others wait for it. Not the lowest, so that nobody waits for more than a tenth of a second or so.
 */
#ifndef SPLAT_PATIENCE_H
#define SPLAT_PATIENCE_H

#include <sys/resource.h>

#define PATIENT_NICE 10

/* Of the calling process; one that may not is left as it is. */
static inline void be_patient(void)
{
	setpriority(PRIO_PROCESS, 0, PATIENT_NICE);
}

#endif
