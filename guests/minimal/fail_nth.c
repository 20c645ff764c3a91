// SPDX-License-Identifier: MIT
/*
 * fail-nth: makes each call of the tables with its first allocation failing, then with its
 * second, and so on until the call has no further allocation; then once more when no file
 * descriptor is free. The seed alone decides which calls are made and in which order, never a
 * clock, so that the same seed does the same again. What a call made must be gone when its
 * process has ended, however the call failed.
 */
#include "fail_nth.h"

#include "files.h"
#include "leaks.h"
#include "program.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug"
/*
 * Each failure lowers this count by one, also a failure of fail-nth (lib/fault-inject.c,
 * should_fail_ex()).
 */
#define SLAB_TIMES DEBUGFS "/failslab/times"
#define PAGE_TIMES DEBUGFS "/fail_page_alloc/times"
#define TIMES "100000000"
/*
 * The most attempts for one call: a fork has hundreds of allocations. After every NEAR_ATTEMPTS
 * attempts the distance between them grows.
 */
#define MOST_ATTEMPTS 24
#define NEAR_ATTEMPTS 8
#define CALLS_MAX 96
#define CELL_BYTES (2 * MIB)

struct tally {
	uint64_t failures; /* allocations that failed */
	uint64_t calls;	   /* calls with at least one such allocation */
	uint64_t absent;
};

static int switch_fd;

/* Opens the switch of the calling thread; a child has to open its own. */
static void open_switch(void)
{
	switch_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (switch_fd < 0)
		workload_skip("no /proc/thread-self/fail-nth: the kernel lacks CONFIG_FAULT_INJECTION");
}

/*
 * Allows every kind of allocation to fail, but only when fail-nth says so, and without a
 * message.
 */
static void set_up(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "/failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "/failslab/verbose", "0" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "/fail_page_alloc/min-order", "0" },
		{ DEBUGFS "/fail_page_alloc/verbose", "0" },
		{ SLAB_TIMES, TIMES },
		{ PAGE_TIMES, TIMES },
	};

	open_switch();
	close(switch_fd);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!write_file(settings[i][0], settings[i][1]))
			workload_skip("no %s: the kernel lacks a FAULT_INJECTION option",
				      settings[i][0]);
}

static void fail_at(unsigned n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(switch_fd, text, (size_t)length, 0) != length)
		workload_fail("write fail-nth");
}

/* What is left of the count: 0 when the n-th allocation was reached, and failed. */
static unsigned left(void)
{
	char text[16] = "";

	if (pread(switch_fd, text, sizeof(text) - 1, 0) <= 0)
		workload_fail("read fail-nth");
	return (unsigned)strtoul(text, NULL, 10);
}

static void set_stage(struct stage *stage)
{
	char *reserved = mmap(NULL, STAGE_BYTES + CELL_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (reserved == MAP_FAILED)
		workload_fail("reserve memory");
	stage->memory = (char *)(((uintptr_t)reserved + CELL_BYTES - 1) & ~(CELL_BYTES - 1));
	munmap(reserved, (size_t)(stage->memory - reserved));
	munmap(stage->memory + STAGE_BYTES,
	       (size_t)(reserved + CELL_BYTES - stage->memory));
	if (mmap(stage->memory, STAGE_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		workload_fail("map memory");
	for (int i = 0; i < STAGE_FDS; i++)
		stage->fds[i] = -1;
	stage->number = 0;
}

static void clear_stage(struct stage *stage)
{
	for (int i = STAGE_FDS - 1; i >= 0; i--)
		if (stage->fds[i] >= 0)
			close(stage->fds[i]);
	munmap(stage->memory, STAGE_BYTES);
}

/*
 * Sets the limit so that no further descriptor can be opened: the lowest free descriptor is the
 * first one that is not allowed.
 */
static struct rlimit forbid_descriptors(void)
{
	struct rlimit former, none;
	int free_fd = dup(STDOUT_FILENO);

	if (getrlimit(RLIMIT_NOFILE, &former) < 0 || free_fd < 0)
		workload_fail("find a free descriptor");
	close(free_fd);
	none = (struct rlimit){ .rlim_cur = (rlim_t)free_fd, .rlim_max = former.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &none) < 0)
		workload_fail("limit descriptors");
	return former;
}

enum attempt { ABSENT, NOT_REACHED, FAILED };

/* Makes a call once. With n 0 no allocation fails, but no descriptor is free. */
static enum attempt attempt(const struct failing_call *call, unsigned n)
{
	enum attempt result = ABSENT;
	struct rlimit former;
	struct stage stage;

	set_stage(&stage);
	if (!call->prepare || call->prepare(&stage)) {
		if (n == 0)
			former = forbid_descriptors();
		else
			fail_at(n);
		call->call(&stage);
		result = n != 0 && left() == 0 ? FAILED : NOT_REACHED;
		if (n == 0)
			setrlimit(RLIMIT_NOFILE, &former);
		else
			fail_at(0);
		if (call->undo)
			call->undo(&stage);
	}
	clear_stage(&stage);
	return result;
}

/*
 * Tries all allocations of a call. Prints the call first, so that the last line of the output
 * names the call from which a kernel did not return.
 */
static void sweep(const struct failing_call *call, struct tally *tally)
{
	unsigned attempts = 0, n = 1;

	printf("call %s\n", call->name);
	for (; attempts < MOST_ATTEMPTS; attempts++) {
		enum attempt result = attempt(call, n);

		if (result == ABSENT) {
			printf("%s is not there\n", call->name);
			tally->absent++;
			return;
		}
		if (result == NOT_REACHED)
			break;
		tally->failures++;
		n += 1 + attempts / NEAR_ATTEMPTS;
	}
	attempt(call, 0);
	tally->calls += attempts > 0;
	printf("%s failed at %u places\n", call->name, attempts);
}

/*
 * Runs a sweep in a process that is named after the call, so that a message of the kernel about
 * the process, also when its memory is freed, contains that name.
 */
static void sweep_apart(const struct failing_call *call, struct tally *tally)
{
	long buffers = leaks_buffers();
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, call->name);
		open_switch();
		sweep(call, tally);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		workload_fail("a process for %s", call->name);
	errno = 0;
	if (WIFSIGNALED(status))
		workload_fail("%s ended by signal %d", call->name, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		exit(WEXITSTATUS(status));
	leaks_check_buffers(buffers, call->name);
}

/* How many allocations the kernel says it has made fail. */
static uint64_t failed(const char *times)
{
	char text[32];

	if (!read_file(times, text, sizeof(text)))
		workload_fail("read %s", times);
	return strtoull(TIMES, NULL, 10) - strtoull(text, NULL, 10);
}

static void shuffle(const struct failing_call **calls, size_t count, uint64_t *random)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = random_below(random, i);
		const struct failing_call *swapped = calls[i - 1];

		calls[i - 1] = calls[other];
		calls[other] = swapped;
	}
}

/* Draws the calls of this trial, in the order in which they are made. */
static size_t draw(const struct failing_call *all[CALLS_MAX], uint64_t *random)
{
	const struct failing_calls *const tables[] = { &failing_memory_calls, &failing_notifier_calls,
						       &failing_machine_calls,
						       &failing_buffer_calls };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const struct failing_call *of_table[CALLS_MAX];

		for (size_t at = 0; at < tables[i]->count; at++)
			of_table[at] = &tables[i]->calls[at];
		shuffle(of_table, tables[i]->count, random);
		for (size_t at = 0; at < tables[i]->drawn && count < CALLS_MAX; at++)
			all[count++] = of_table[at];
	}
	shuffle(all, count, random);
	return count;
}

static int fail_nth_main(int argc, char **argv)
{
	struct workload workload = { .name = "fail-nth", .duration_ms = 1000, .memory_mib = 16 };
	const struct failing_call *calls[CALLS_MAX];
	struct tally *tally;
	uint64_t random, slabs, pages;
	size_t count;

	workload_start(&workload, argc, argv);
	set_up();
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		workload_fail("map a tally");
	random = random_stream(workload.seed, 0);
	count = draw(calls, &random);
	for (size_t i = 0; i < count; i++)
		sweep_apart(calls[i], tally);
	slabs = failed(SLAB_TIMES);
	pages = failed(PAGE_TIMES);
	printf("done failures %" PRIu64 " in calls %" PRIu64 " of %zu, not there %" PRIu64
	       "; failed by the kernel: slab %" PRIu64 " page %" PRIu64 "\n",
	       tally->failures, tally->calls, count, tally->absent, slabs, pages);
	errno = 0;
	if (slabs == 0 || pages == 0)
		workload_fail("no allocation failed");
	return 0;
}

PROGRAM("fail-nth", fail_nth_main);
