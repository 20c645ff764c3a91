/* SPDX-License-Identifier: MIT */
/*
 * Counts one of the kernel's trace events (Documentation/trace/events.rst) in an instance of
 * its own.
 */
#ifndef SPLAT_EVENTS_H
#define SPLAT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Begins to count an event ("kvm/kvm_unmap_hva_range") for which a filter holds ("COMM ==
 * \"x\""). Call it before anything can cause the event: it patches the code that emits the
 * event, and under emulation another CPU that runs this code at that moment may trip over the
 * breakpoint. False if this kernel does not have the event. Exits on failure.
 */
bool events_count(const char *event, const char *filter);

/* How many such events there have been. */
uint64_t events_counted(void);

#endif
