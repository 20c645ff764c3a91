// SPDX-License-Identifier: MIT
#include "controls_victim.h"
#include "files.h"
#include "notifiers.h"
#include "workload.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448 /* Linux 5.15 */
#endif
/* A refused process_mrelease() is repeated as often as the oom_reaper tries one victim. */
#define REAP_ATTEMPTS 10
#define WATERMARK_SCALE_FACTOR "/proc/sys/vm/watermark_scale_factor"

void trigger_register(const struct control *control)
{
	struct mirror mirror = mirror_begin(control);

	mirror_end(&mirror, control);
}

void trigger_munmap(const struct control *control)
{
	struct mirror mirror = mirror_begin(control);

	/* The middle: one invalidation, and the mapping is split around it. */
	munmap(mirror.memory + PAGE_BYTES, control->bytes - 2 * PAGE_BYTES);
	mirror_end(&mirror, control);
}

/* Started, prepared and traced. */
static void start_armed(struct victim *victim, const struct armed *armed)
{
	struct victim_life life = armed_life(armed);

	victim_start(victim, &life);
	victim_trace(victim);
}

void trigger_mrelease(const struct control *control)
{
	struct armed armed = { .control = control };
	struct victim victim;
	int attempts = control->mode == SPLAT_MN_REFUSE ? REAP_ATTEMPTS : 1;
	long result;

	start_armed(&victim, &armed);
	victim_kill(&victim);
	victim_await_exit_stop(&victim);
	do
		result = syscall(SYS_process_mrelease, victim.pidfd, 0);
	while (result < 0 && (errno == EINTR || (errno == EAGAIN && --attempts > 0)));
	/* EAGAIN: it ran and a notifier refused. */
	if (result < 0 && errno != EAGAIN)
		workload_fail("process_mrelease");
	victim_bury(&victim);
}

/* Waits until a counter of the driver has left a value. */
static void await_callback(const char *counter, uint64_t before, unsigned long timeout_ms)
{
	uint64_t end_ns = monotonic_ns() + timeout_ms * 1000000u;

	while (notifiers_count(counter) == before) {
		errno = 0;
		if (monotonic_ns() > end_ns)
			workload_fail("%s did not move for %lu ms", counter, timeout_ms);
		pause_ms(5);
	}
}

/*
 * Moves the watermarks far up (min, low and high 30 % of memory apart), so that kswapd starts
 * long before memory is short. memory.reclaim would not do: it does not hold fs_reclaim.
 */
void trigger_reclaim(const struct control *control)
{
	const char *counter = control->kind == SPLAT_MN_INTERVAL ? "interval_blockable" : "hlist_start_blockable";
	struct armed armed = { .control = control, .appetite = installed_memory() / 4 * 3 };
	char swaps[4096], factor[32];
	struct victim victim;
	uint64_t before;

	if (!read_file("/proc/swaps", swaps, sizeof(swaps)) || !strchr(swaps, '\n'))
		workload_skip("no swap: anonymous memory cannot be reclaimed");
	if (!read_file(WATERMARK_SCALE_FACTOR, factor, sizeof(factor)))
		workload_fail("read " WATERMARK_SCALE_FACTOR);
	start_armed(&victim, &armed);
	before = notifiers_count(counter);
	if (!write_file(WATERMARK_SCALE_FACTOR, "3000"))
		workload_fail("write " WATERMARK_SCALE_FACTOR);
	victim_release(&victim);
	await_callback(counter, before, control->timeout_ms);
	victim_kill(&victim);
	victim_await_exit_stop(&victim);
	victim_bury(&victim);
	if (!write_file(WATERMARK_SCALE_FACTOR, factor))
		workload_fail("restore " WATERMARK_SCALE_FACTOR);
}
