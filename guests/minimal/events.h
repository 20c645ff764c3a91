/* SPDX-License-Identifier: MIT */
/* Counts one of the kernel's trace events (Documentation/trace/events.rst) in a buffer of its own. */
#ifndef SPLAT_EVENTS_H
#define SPLAT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Begins to count an event ("kvm/kvm_unmap_hva_range") where a filter holds ("COMM == \"x\"").
 * Call it before anything can cause the event: it patches the code that emits it, and under
 * emulation another CPU that runs this code meanwhile may trip over the breakpoint.
 * False where this kernel does not have the event; exits on failure.
 */
bool events_count(const char *event, const char *filter);

/* How many there have been. */
uint64_t events_counted(void);

#endif
