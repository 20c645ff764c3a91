/* SPDX-License-Identifier: MIT */
/*
 * System calls whose n-th allocation fails, for every n
 * (Documentation/fault-injection/fault-injection.rst, "/proc/<pid>/task/<tid>/fail-nth"). Only
 * n decides what fails, on any host at any speed.
 */
#ifndef SPLAT_FAIL_NTH_H
#define SPLAT_FAIL_NTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAGE_FDS 4
/* The size of the memory that every stage has; it is private, anonymous and mapped. */
#define STAGE_BYTES (4ul << 20)

/* What a call works on. It is made anew for each n. */
struct stage {
	int fds[STAGE_FDS]; /* closed afterwards, -1: none */
	char *memory;	    /* STAGE_BYTES at a multiple of 2 MiB, unmapped afterwards */
	uint32_t number;
};

struct failing_call {
	const char *name;
	/*
	 * Runs without failures. False if something that the call needs is missing; then the
	 * call is left out. NULL if there is nothing to prepare.
	 */
	bool (*prepare)(struct stage *stage);
	void (*call)(struct stage *stage);
	/* Undoes what closing and unmapping does not undo. May be NULL. */
	void (*undo)(struct stage *stage);
};

struct failing_calls {
	const struct failing_call *calls;
	size_t count;
	size_t drawn; /* how many calls of the table the seed draws for a trial; at most count */
};

extern const struct failing_calls failing_memory_calls;
extern const struct failing_calls failing_notifier_calls;
extern const struct failing_calls failing_machine_calls;
extern const struct failing_calls failing_buffer_calls;

#endif
