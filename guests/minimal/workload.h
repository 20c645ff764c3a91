/* SPDX-License-Identifier: MIT */
/*
 * What all workloads share: their options, their end, and the rule that the first line on
 * stdout is "start ...". The exit status is as in kselftest: 0 done; 1 failed (with a line on
 * stderr); 4 something that it needs is missing (with the reason on stdout). Further values are
 * 5, memory has wrong contents, and 6, the kernel keeps what nobody uses.
 */
#ifndef SPLAT_WORKLOAD_H
#define SPLAT_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB (1024ul * 1024ul)
#define PAGE_BYTES 4096ul
/* The exit status of workload_corrupted(). */
#define EXIT_CORRUPTED 5
/* The exit status of workload_leaked(). */
#define EXIT_LEAKED 6

struct workload {
	const char *name;
	uint64_t seed;
	unsigned long duration_ms;
	unsigned long limit_ms;	       /* how long it goes on at most while a witness is missing */
	bool disturbed;		       /* true when its racers get signals, and another process reads about it (racers.h) */
	unsigned long memory_mib;      /* the most memory that its data may take at once */
	unsigned long reap_timeout_ms; /* how long the OOM reaper may take for one victim */
	uint64_t end_ns;
	uint64_t limit_ns;
	bool anyway; /* true to run also where a known bug of the kernel would show first */
};

/*
 * Parses --seed N, --duration-ms N, --limit-ms N, --witness COUNTER, --memory-mib N and
 * --reap-timeout-ms N; the struct holds the defaults. Prints the start line and starts the
 * clock. Exits on a bad option.
 */
void workload_start(struct workload *workload, int argc, char **argv);

/*
 * True while the workload should go on: until the duration is over and every --witness has
 * counted (goal.h), but never past the limit.
 */
bool workload_time_is_left(const struct workload *workload);

/*
 * For a workload that measures its time itself: true while a witness is missing and the limit
 * is not reached.
 */
bool workload_goal_is_open(const struct workload *workload);

/* Sleeps; it is used for polling and pacing. */
void pause_ms(unsigned long ms);

/* Prints "NAME: MESSAGE" (": ERRNO-TEXT" where errno is set) to stderr and exits with 1. */
_Noreturn void workload_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints "corruption: WHAT" as the last line of stdout and ends the whole program with 5: the
 * kernel has lost what was written to memory. `what` tells one such bug from another, and
 * contains no numbers.
 */
_Noreturn void workload_corrupted(const char *what);

/*
 * Prints "leak: WHAT" in the same way and ends with 6: the kernel keeps something that nobody
 * can reach any more.
 */
_Noreturn void workload_leaked(const char *what);

/* Prints "skip: MESSAGE" to stdout and exits with 4. */
_Noreturn void workload_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Skips the workload on kernels with a known bug that would show at once and leave lockdep off,
 * or hang the guest (docs/found.md describes it). `since` is the version that brought the bug,
 * such as "6.1", or NULL for every earlier one; `fixed_in` is the version that fixed it, such
 * as "6.5", or NULL for none. --anyway runs the workload all the same.
 */
void workload_skip_known(const struct workload *workload, const char *since, const char *fixed_in,
			 const char *bug);

#endif
