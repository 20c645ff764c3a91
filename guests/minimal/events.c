// SPDX-License-Identifier: MIT
#include "events.h"

#include "files.h"
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTANCE "/sys/kernel/tracing/instances/splat"
#define PATH_BYTES 192

static void set(const char *event, const char *entry, const char *text)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), INSTANCE "/events/%s/%s", event, entry);
	if (!write_file(path, text))
		workload_fail("write %s", path);
}

bool events_count(const char *event, const char *filter)
{
	char path[PATH_BYTES];

	if (mkdir(INSTANCE, 0700) < 0 && errno != EEXIST)
		workload_fail("make " INSTANCE);
	snprintf(path, sizeof(path), INSTANCE "/events/%s", event);
	if (access(path, F_OK) < 0)
		return false;
	set(event, "filter", filter);
	set(event, "enable", "1");
	return true;
}

/*
 * Reads a field such as "entries: 12" from a CPU's statistics; "overrun: 0" counts the entries
 * that were overwritten.
 */
static uint64_t field(const char *statistics, const char *label)
{
	const char *at = strstr(statistics, label);

	return at ? strtoull(at + strlen(label), NULL, 10) : 0;
}

uint64_t events_counted(void)
{
	char path[PATH_BYTES], statistics[1024];
	uint64_t counted = 0;

	for (int cpu = 0;; cpu++) {
		snprintf(path, sizeof(path), INSTANCE "/per_cpu/cpu%d/stats", cpu);
		if (!read_file(path, statistics, sizeof(statistics)))
			return counted;
		counted += field(statistics, "entries: ") + field(statistics, "overrun: ");
	}
}
