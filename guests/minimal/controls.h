/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_CONTROLS_H
#define SPLAT_CONTROLS_H

#include "splat_mn.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A control: the mode that is armed, the notifier and memory that it is registered on, and how
 * long its trigger may take.
 */
struct control {
	enum splat_mn_mode mode;
	enum splat_mn_kind kind;
	uint32_t flags;	   /* the flags of struct splat_mn_register */
	uint32_t refusals; /* the refusals of struct splat_mn_arm */
	size_t bytes;	   /* anonymous memory under the notifier, whole pages */
	unsigned long timeout_ms;
};

/* Anonymous memory of the calling process, with the armed notifier on it. */
struct mirror {
	int device;
	char *memory;
};

/*
 * Maps and touches the memory, arms the mode and registers the notifier; then runs the part of
 * the mode that belongs in process context, if it has one. Exits on failure.
 */
struct mirror mirror_begin(const struct control *control);

/*
 * Unregisters the notifier before it unmaps the memory, so that a notifier that refuses sees
 * only the invalidation of the trigger. (At exit, the kernel itself warns about an interval
 * notifier that refuses.)
 */
void mirror_end(const struct mirror *mirror, const struct control *control);

/*
 * Triggers a control once. Exits with a line on stderr if the trigger did not come about. What
 * the kernel printed is not checked.
 */
typedef void trigger_function(const struct control *control);

trigger_function trigger_register;   /* only registers */
trigger_function trigger_munmap;     /* anonymous munmap in the process itself */
trigger_function trigger_mrelease;   /* process_mrelease() on a victim held at its exit stop */
trigger_function trigger_oom_memcg;  /* the oom_reaper on such a victim, after an OOM kill in a memcg */
trigger_function trigger_oom_global; /* the same, but the whole guest is out of memory */
trigger_function trigger_reclaim;    /* kswapd swaps a victim's pages out */
trigger_function trigger_dontneed;   /* MADV_DONTNEED in the process itself: in newer kernels without mmap_lock */
trigger_function trigger_idle;	     /* the age of the pages is read and cleared (page_idle) */

#endif
