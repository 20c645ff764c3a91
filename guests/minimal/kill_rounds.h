/* SPDX-License-Identifier: MIT */
/* Rounds of OOM kills whose victims own notifiers of the driver (owner.h) and are reaped. */
#ifndef SPLAT_KILL_ROUNDS_H
#define SPLAT_KILL_ROUNDS_H

#include "workload.h"

#include <stdint.h>

/* Kills victims and waits for the reaper. Returns the number of victims. */
typedef unsigned kill_round(uint64_t *random, const struct workload *workload);

/*
 * Runs one round, and more while the workload's time lasts. The random stream depends on the
 * seed alone. Exits with a failure if the OOM reaper ran no callback in any round.
 */
void kill_until_end(const struct workload *workload, kill_round *round);

#endif
