/* SPDX-License-Identifier: MIT */
/* Mirrors of the HMM test driver that end before or after the process that they mirror. */
#ifndef SPLAT_HMM_LIVES_H
#define SPLAT_HMM_LIVES_H

#include <stdint.h>

/*
 * A child mirrors itself and dies. The mirror, which now mirrors nothing, is then used and
 * closed here.
 */
void hmm_outlive(uint64_t *random);

/* The same with the device that only reads: no page is on it, and closing it moves none. */
void hmm_outlive_reader(uint64_t *random);

/*
 * A child closes a mirror while its pages are on the device, and then touches them: they must
 * come back.
 */
void hmm_close_early(void);

/*
 * The same in a process whose child also has pages on the device and holds the mirror: one of
 * them closes the mirror while the other touches the pages.
 */
void hmm_close_shared(void);

#endif
