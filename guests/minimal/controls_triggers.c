// SPDX-License-Identifier: MIT
#include "controls_victim.h"
#include "files.h"
#include "memory.h"
#include "notifiers.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448 /* Linux 5.15 */
#endif
/*
 * How many times a refused process_mrelease() is repeated; the oom_reaper tries a victim as
 * often.
 */
#define REAP_ATTEMPTS 10
#define ROOM_BYTES (16 * MIB)

void trigger_register(const struct control *control)
{
	struct mirror mirror = mirror_begin(control);

	mirror_end(&mirror, control);
}

void trigger_munmap(const struct control *control)
{
	struct mirror mirror = mirror_begin(control);

	/* Unmaps the middle: this is one invalidation, and splits the mapping. */
	munmap(mirror.memory + PAGE_BYTES, control->bytes - 2 * PAGE_BYTES);
	mirror_end(&mirror, control);
}

void trigger_dontneed(const struct control *control)
{
	struct mirror mirror = mirror_begin(control);

	madvise(mirror.memory + PAGE_BYTES, control->bytes - 2 * PAGE_BYTES, MADV_DONTNEED);
	mirror_end(&mirror, control);
}

/* Clears the marks of all pages of the guest, and so those of the mirror. */
void trigger_idle(const struct control *control)
{
	struct mirror mirror = mirror_begin(control);
	uint64_t marks[PAGE_BYTES / sizeof(uint64_t)];
	int bitmap = open("/sys/kernel/mm/page_idle/bitmap", O_WRONLY | O_CLOEXEC);

	if (bitmap < 0)
		workload_skip("no page_idle: the kernel lacks CONFIG_IDLE_PAGE_TRACKING");
	memset(marks, 0xff, sizeof(marks));
	while (write(bitmap, marks, sizeof(marks)) > 0)
		;
	close(bitmap);
	mirror_end(&mirror, control);
}

/* Starts, prepares and traces a victim. */
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
	if (result < 0 && errno == ENOSYS)
		workload_skip("no process_mrelease(2): the kernel is older than 5.15");
	/* EAGAIN means that it ran, and a notifier refused. */
	if (result < 0 && errno != EAGAIN)
		workload_fail("process_mrelease");
	victim_bury(&victim);
}

/* Waits until a counter of the driver changes. */
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

/* The driver's counter of the callback that reclaim runs. */
static const char *called_by_reclaim(const struct control *control)
{
	if (control->mode == SPLAT_MN_SLEEP_TLB)
		return "seeded";
	return control->kind == SPLAT_MN_INTERVAL ? "interval_blockable" : "hlist_start_blockable";
}

/*
 * In a squeezed guest (memory.h) kswapd starts at the next allocation. If it has given up, the
 * victim reclaims by itself, because it takes more than there is room for. memory.reclaim would
 * not do, since it does not hold fs_reclaim.
 */
void trigger_reclaim(const struct control *control)
{
	const char *counter = called_by_reclaim(control);
	struct armed armed = { .control = control, .appetite = 2 * ROOM_BYTES };
	struct victim victim;
	uint64_t before;

	if (meminfo_kib("SwapTotal") == 0)
		workload_skip("no swap: anonymous memory cannot be reclaimed");
	start_armed(&victim, &armed);
	before = notifiers_count(counter);
	memory_squeeze(ROOM_BYTES);
	victim_release(&victim);
	await_callback(counter, before, control->timeout_ms);
	victim_kill(&victim);
	victim_await_exit_stop(&victim);
	victim_bury(&victim);
	memory_relax();
}
