// SPDX-License-Identifier: MIT
#include "goal.h"

#include "files.h"
#include "memory.h"
#include "splat_mn.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define COUNTERS_MAX 24
#define PROFILE "/sys/kernel/tracing/trace_stat/function"
/* function_stat_show() in kernel/trace/ftrace.c cuts names to this many characters. */
#define PROFILE_NAME_CHARS 30
#define CPUS_MAX 64
#define PERIOD_NS 100000000u

struct counter {
	const char *name;
	uint64_t before;
	bool moved;
};

/* This is in a shared mapping, so that what a child finds out holds for all processes. */
struct goal {
	_Atomic uint64_t next_look_ns;
	_Atomic bool met;
	unsigned count;
	struct counter counters[COUNTERS_MAX];
};

static struct goal *goal;

static bool read_driver(const char *name, uint64_t *value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), SPLAT_MN_DEBUGFS "/%s", name);
	if (!read_file(path, text, sizeof(text)))
		return false;
	*value = strtoull(text, NULL, 10);
	return true;
}

/* A version of a function that the compiler made ("foo.isra.0") counts, too. */
static bool is_function(const char *shown, const char *name)
{
	size_t length = strnlen(name, PROFILE_NAME_CHARS);

	return strncmp(shown, name, length) == 0 &&
	       (length == PROFILE_NAME_CHARS || shown[length] == '\0' || shown[length] == '.');
}

static bool read_calls(const char *name, uint64_t *value)
{
	bool is_there = false;

	*value = 0;
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		char path[64], line[160], shown[64];
		uint64_t hits;
		FILE *file;

		snprintf(path, sizeof(path), PROFILE "%u", cpu);
		file = fopen(path, "re");
		if (!file)
			break;
		is_there = true;
		while (fgets(line, sizeof(line), file))
			if (sscanf(line, "%63s %" SCNu64, shown, &hits) == 2 &&
			    is_function(shown, name))
				*value += hits;
		fclose(file);
	}
	return is_there;
}

static bool read_counter(const char *name, uint64_t *value)
{
	if (strncmp(name, "driver.", 7) == 0)
		return read_driver(name + 7, value);
	if (strncmp(name, "vm.", 3) == 0)
		return vmstat(name + 3, value);
	if (strncmp(name, "calls.", 6) == 0)
		return read_calls(name + 6, value);
	workload_fail("--witness %s: want driver., vm. or calls. before the name", name);
}

void goal_add(const char *name)
{
	struct counter counter = { .name = name };

	if (!goal) {
		goal = mmap(NULL, sizeof(*goal), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (goal == MAP_FAILED)
			workload_fail("map the goal");
	}
	errno = 0;
	if (goal->count == COUNTERS_MAX)
		workload_fail("more than %d --witness", COUNTERS_MAX);
	if (read_counter(name, &counter.before))
		goal->counters[goal->count++] = counter;
	errno = 0;
}

static bool look(void)
{
	bool met = true;

	for (unsigned i = 0; i < goal->count; i++) {
		struct counter *counter = &goal->counters[i];
		uint64_t now;

		if (!counter->moved)
			counter->moved = read_counter(counter->name, &now) && now > counter->before;
		met = met && counter->moved;
	}
	return met;
}

bool goal_is_met(void)
{
	uint64_t now = monotonic_ns(), next;
	int error = errno;

	if (!goal || atomic_load(&goal->met))
		return true;
	next = atomic_load(&goal->next_look_ns);
	/* The thread that looks may die while it does so; then another one takes the next look. */
	if (now < next || !atomic_compare_exchange_strong(&goal->next_look_ns, &next, now + PERIOD_NS))
		return false;
	if (look())
		atomic_store(&goal->met, true);
	errno = error;
	return atomic_load(&goal->met);
}
