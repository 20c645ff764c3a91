/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_CONTROLS_H
#define SPLAT_CONTROLS_H

#include "splat_mn.h"

#include <stddef.h>
#include <stdint.h>

/* One control: what is armed, on what it is registered, and how long its trigger may take. */
struct control {
	enum splat_mn_mode mode;
	enum splat_mn_kind kind;
	uint32_t flags;	   /* of struct splat_mn_register */
	uint32_t refusals; /* of struct splat_mn_arm */
	size_t bytes;	   /* anonymous memory under the notifier, whole pages */
	unsigned long timeout_ms;
};

/* Anonymous memory of the calling process and the armed notifier on it. */
struct mirror {
	int device;
	char *memory;
};

/* Maps and touches, arms, registers, then runs the mode's half in process context if it has one. Exits on failure. */
struct mirror mirror_begin(const struct control *control);

/*
 * Unregisters before it unmaps: what a refusing notifier sees is the trigger's invalidation
 * and no other (at exit the core warns about a refusing interval notifier by itself).
 */
void mirror_end(const struct mirror *mirror, const struct control *control);

/*
 * Sets a control off once, and exits with a line on stderr if that did not come about.
 * What the kernel thought of it is not asked.
 */
typedef void trigger_function(const struct control *control);

trigger_function trigger_register;   /* registers, and no more */
trigger_function trigger_munmap;     /* anonymous munmap in the process itself */
trigger_function trigger_mrelease;   /* process_mrelease() on a victim held at its exit stop */
trigger_function trigger_oom_memcg;  /* the oom_reaper on a victim held there, after a memcg's OOM kill */
trigger_function trigger_oom_global; /* the same, when the whole guest is out of memory */
trigger_function trigger_reclaim;    /* kswapd swaps a victim's pages out */
trigger_function trigger_dontneed;   /* MADV_DONTNEED in the process itself: in newer kernels without mmap_lock */
trigger_function trigger_idle;	     /* the pages' age is asked and cleared (page_idle) */

#endif
