/* SPDX-License-Identifier: MIT */
/*
 * What all workloads share: their options, their end, and the rule that "start ..." is the
 * first line on stdout. Exit status as in kselftest: 0 done, 1 failed (a line on stderr),
 * 4 something it needs is missing (the reason on stdout); besides, 5 memory has a wrong content, 6 the
 * kernel keeps what nobody has.
 */
#ifndef SPLAT_WORKLOAD_H
#define SPLAT_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB (1024ul * 1024ul)
#define PAGE_BYTES 4096ul
/* Exit status of workload_corrupted(). */
#define EXIT_CORRUPTED 5
/* The same of workload_leaked(). */
#define EXIT_LEAKED 6

struct workload {
	const char *name;
	uint64_t seed;
	unsigned long duration_ms;
	unsigned long limit_ms;	       /* goes on so long at most for want of a witness */
	bool disturbed;		       /* its racers get signals and are read about (racers.h) */
	unsigned long memory_mib;      /* what its data may take at once */
	unsigned long reap_timeout_ms; /* how long the OOM reaper may take for one victim */
	uint64_t end_ns;
	uint64_t limit_ns;
	bool anyway; /* also where a known bug of the kernel would speak first */
};

/*
 * Parses --seed N, --duration-ms N, --limit-ms N, --witness COUNTER, --memory-mib N and
 * --reap-timeout-ms N over the defaults already in the struct, prints the start line and starts
 * the clock. Exits on a bad option.
 */
void workload_start(struct workload *workload, int argc, char **argv);

/*
 * Whether to go on: until the duration is over and every --witness has moved (goal.h), but never
 * past the limit.
 */
bool workload_time_is_left(const struct workload *workload);

/* The same for a workload that counts its time otherwise: a witness is missing, and there is time for it. */
bool workload_goal_is_open(const struct workload *workload);

/* Sleeps; for polling and pacing. */
void pause_ms(unsigned long ms);

/* Prints "NAME: MESSAGE" (": ERRNO-TEXT" where errno is set) to stderr and exits with 1. */
_Noreturn void workload_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints "corruption: WHAT" as the last line of stdout and ends the whole program with 5: the kernel
 * has lost what was written there. `what` tells one such bug from another, without numbers.
 */
_Noreturn void workload_corrupted(const char *what);

/* The same for "leak: WHAT" and 6: the kernel has not given back what nobody can reach any more. */
_Noreturn void workload_leaked(const char *what);

/* Prints "skip: MESSAGE" to stdout and exits with 4. */
_Noreturn void workload_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Skips where a known bug of the kernel would speak at once and leave lockdep off, or hang the guest
 * (docs/found.md tells of it): from the version "6.1" that brought it until before the version "6.5" that
 * fixed it; NULL: from every one, in every later one. --anyway runs it.
 */
void workload_skip_known(const struct workload *workload, const char *since, const char *fixed_in,
			 const char *bug);

#endif
