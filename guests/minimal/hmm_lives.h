/* SPDX-License-Identifier: MIT */
/* Mirrors of the HMM test driver whose life is not that of the process they mirror. */
#ifndef SPLAT_HMM_LIVES_H
#define SPLAT_HMM_LIVES_H

#include <stdint.h>

/* A child mirrors itself and dies; what it left, a mirror of nothing, is then used and closed here. */
void hmm_outlive(uint64_t *random);

/* The same of the device that only reads: no page is on it, and closing it moves none. */
void hmm_outlive_reader(uint64_t *random);

/* A child closes a mirror whose device has its pages, and touches them: they come back all the same. */
void hmm_close_early(void);

/*
 * The same by a process whose child has pages there as well, and the mirror too: one of them closes it
 * while the other one touches.
 */
void hmm_close_shared(void);

#endif
