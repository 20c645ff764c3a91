// SPDX-License-Identifier: MIT
/*
 * cgroups: memory cgroups in two levels, whose processes touch more than their limits let them have,
 * while threads write the limits and guarantees, reclaim, freeze and kill, move processes from one
 * to the other, make and remove them, and change how the kernel ages pages.
 */
#include "cgroup.h"
#include "files.h"
#include "memory.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"
#include "zram.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define GROUPS 4
#define DWELLER_BYTES (4 * MIB)
#define LRU_GEN "/sys/kernel/mm/lru_gen/"

struct shared {
	char parent[PATH_MAX - 32];
	pid_t dwellers[GROUPS]; /* each replaced by the thread of its number alone */
};

static void path_of(const struct shared *shared, size_t group, char *path)
{
	snprintf(path, PATH_MAX, "%s/%zu", shared->parent, group);
}

/* Touches its memory again and again until it is killed. */
_Noreturn static void dwell(const char *path)
{
	char *memory;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!cgroup_write(path, "cgroup.procs", "0"))
		_exit(1);
	memory = map_small_pages(DWELLER_BYTES);
	for (;;)
		touch_pages(memory, DWELLER_BYTES);
}

/* By name: it may have moved, or not yet be where it was sent. */
static void end_dweller(struct shared *shared, size_t group)
{
	pid_t pid = shared->dwellers[group];

	if (pid > 0)
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	shared->dwellers[group] = 0;
}

static void settle(struct shared *shared, size_t group)
{
	char path[PATH_MAX];

	path_of(shared, group, path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		workload_fail("make %s", path);
	cgroup_write(path, "memory.swap.max", "max");
	shared->dwellers[group] = fork();
	if (shared->dwellers[group] == 0)
		dwell(path);
}

#define MOST_MIB 6

/* Some MiB, from so many on, or all. */
static void write_amount(struct racer *racer, const char *entry, uint64_t least)
{
	struct shared *shared = racer->shared;
	char path[PATH_MAX], amount[32];
	uint64_t mib = least + random_below(&racer->random, MOST_MIB + 2 - least);

	path_of(shared, random_below(&racer->random, GROUPS), path);
	if (random_below(&racer->random, 4) == 0)
		snprintf(path, sizeof(path), "%s", shared->parent);
	snprintf(amount, sizeof(amount), mib > MOST_MIB ? "max" : "%luM", (unsigned long)mib);
	cgroup_write(path, entry, amount);
}

#define FLIPS 32

/* Everything and nothing in turn: whoever reclaims meanwhile reads some of it before and some after. */
static void flip(struct racer *racer, const char *entry)
{
	struct shared *shared = racer->shared;
	char path[PATH_MAX];

	path_of(shared, random_below(&racer->random, GROUPS), path);
	for (int i = 0; i < FLIPS; i++)
		cgroup_write(path, entry, i % 2 ? "0" : "max");
}

static void guarantee(struct racer *racer)
{
	const char *entry = random_below(&racer->random, 4) ? "memory.low" : "memory.min";

	if (random_below(&racer->random, 2))
		flip(racer, entry);
	else
		write_amount(racer, entry, 0);
}

static void limit(struct racer *racer)
{
	/* With less than that a limit is a kill, and its report takes an emulated console's time. */
	if (random_below(&racer->random, 2))
		write_amount(racer, "memory.high", 0);
	else
		write_amount(racer, "memory.max", 3);
}

static void reclaim(struct racer *racer)
{
	struct shared *shared = racer->shared;
	char path[PATH_MAX];

	if (random_below(&racer->random, 2))
		snprintf(path, sizeof(path), "%s", shared->parent);
	else
		path_of(shared, random_below(&racer->random, GROUPS), path);
	/* Absent before Linux 5.19. */
	cgroup_write(path, "memory.reclaim", "1M");
}

static void move(struct racer *racer)
{
	struct shared *shared = racer->shared;
	pid_t pid = shared->dwellers[random_below(&racer->random, GROUPS)];
	char path[PATH_MAX], text[16];

	path_of(shared, random_below(&racer->random, GROUPS), path);
	snprintf(text, sizeof(text), "%d", pid);
	if (pid > 0)
		cgroup_write(path, "cgroup.procs", text);
}

static void freeze(struct racer *racer)
{
	struct shared *shared = racer->shared;
	char path[PATH_MAX];

	path_of(shared, random_below(&racer->random, GROUPS), path);
	cgroup_write(path, "cgroup.freeze", "1");
	cgroup_write(path, "cgroup.freeze", "0");
}

static void renew(struct racer *racer)
{
	struct shared *shared = racer->shared;
	size_t group = racer->index;
	char path[PATH_MAX];

	path_of(shared, group, path);
	cgroup_write(path, "cgroup.kill", "1");
	end_dweller(shared, group);
	/* EBUSY while somebody who moved in is there or still dying. */
	rmdir(path);
	settle(shared, group);
}

/* How old pages are found: by two lists or by generations, which then are made by hand. */
static void age(struct racer *racer)
{
	static const char *const bits[] = { "0", "1", "3", "7" };
	char command[64];

	if (random_below(&racer->random, 4) == 0) {
		write_file(LRU_GEN "enabled", bits[random_below(&racer->random, 4)]);
		return;
	}
	/* "+ cgroup node newest-generation can-swap force" */
	snprintf(command, sizeof(command), "+ %lu 0 %lu 1 1",
		 1 + (unsigned long)random_below(&racer->random, 64),
		 (unsigned long)random_below(&racer->random, 16));
	write_file("/sys/kernel/debug/lru_gen", command);
}

static const struct operation operations[] = {
	{ "guarantee", guarantee }, { "limit", limit },	    { "reclaim", reclaim },
	{ "guarantee", guarantee }, { "move", move },	    { "reclaim", reclaim },
	{ "freeze", freeze },	    { "renew", renew },	    { "age", age },
};

static void prepare(struct shared *shared)
{
	char parent[PATH_MAX - 64];

	if (!cgroup_parent(parent, sizeof(parent)))
		workload_skip("no cgroup v2 on " CGROUP_ROOT);
	snprintf(shared->parent, sizeof(shared->parent), "%s/tree", parent);
	cgroup_remove(shared->parent);
	if (mkdir(shared->parent, 0755) < 0 ||
	    !cgroup_write(shared->parent, "cgroup.subtree_control", "+memory"))
		workload_fail("make %s", shared->parent);
	for (size_t i = 0; i < GROUPS; i++)
		settle(shared, i);
}

static int cgroups_main(int argc, char **argv)
{
	struct workload workload = { .name = "cgroups", .disturbed = true, .duration_ms = 2000, .memory_mib = 24 };
	static struct shared shared;
	struct zram zram;
	uint64_t done;

	workload_start(&workload, argc, argv);
	if (workload.seed % 2)
		zram_swap_on(&zram, 2 * workload.memory_mib * MIB);
	prepare(&shared);
	done = race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]),
		    &shared);
	cgroup_write(shared.parent, "cgroup.kill", "1");
	for (size_t i = 0; i < GROUPS; i++)
		end_dweller(&shared, i);
	cgroup_remove(shared.parent);
	printf("done operations %lu\n", (unsigned long)done);
	return 0;
}

PROGRAM("cgroups", cgroups_main);
