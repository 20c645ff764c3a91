// SPDX-License-Identifier: MIT
/*
 * cgroups: memory cgroups in two levels. Their processes touch more memory than their limits
 * allow and give some of it back; every other process has a low priority. At the same time
 * threads write limits and guarantees, reclaim memory from both levels and from above, freeze
 * and kill cgroups, move processes between cgroups, make and remove cgroups, and change how the
 * kernel ages pages.
 */
#include "cgroup.h"
#include "files.h"
#include "memory.h"
#include "patience.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"
#include "zram.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define GROUPS 4
#define DWELLER_BYTES (4 * MIB)
#define GIVEN_BACK_AT_MOST 8 /* the most pages at once, and the most times in a row */
#define LRU_GEN "/sys/kernel/mm/lru_gen/"

struct shared {
	char above[PATH_MAX - 64]; /* the cgroup that holds the tree */
	char parent[PATH_MAX - 32];
	pid_t dwellers[GROUPS]; /* only the thread of this number replaces one; a dweller's child dies with it */
};

static void path_of(const struct shared *shared, size_t group, char *path)
{
	snprintf(path, PATH_MAX, "%s/%zu", shared->parent, group);
}

/*
 * Gives back a few pages here and there, so that the amounts that are charged and given back
 * differ.
 */
static void give_back(char *memory, uint64_t *random)
{
	for (int i = 0; i < GIVEN_BACK_AT_MOST; i++) {
		size_t pages = 1 + random_below(random, GIVEN_BACK_AT_MOST);
		size_t first = random_below(random, DWELLER_BYTES / 2 / PAGE_BYTES - pages);

		madvise(memory + first * PAGE_BYTES, pages * PAGE_BYTES, MADV_DONTNEED);
		touch_pages(memory + first * PAGE_BYTES, pages * PAGE_BYTES);
	}
}

/*
 * The life of two processes that touch their memory again and again until they are killed. The
 * second has a low priority: it is preempted anywhere, for example between two steps of the
 * kernel's accounting, and for long.
 */
_Noreturn static void dwell(const char *path, uint64_t random)
{
	char *memory;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!cgroup_write(path, "cgroup.procs", "0"))
		_exit(1);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_patient();
		random = random_next(&random);
	}
	memory = map_small_pages(DWELLER_BYTES / 2);
	for (;;) {
		touch_pages(memory, DWELLER_BYTES / 2);
		give_back(memory, &random);
	}
}

/*
 * Kills a process by its pid: it may have moved to another cgroup, or not yet have arrived
 * where it was moved.
 */
static void end_dweller(struct shared *shared, size_t group)
{
	pid_t pid = shared->dwellers[group];

	if (pid > 0)
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	shared->dwellers[group] = 0;
}

static void settle(struct shared *shared, size_t group, uint64_t random)
{
	char path[PATH_MAX];

	path_of(shared, group, path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		workload_fail("make %s", path);
	cgroup_write(path, "memory.swap.max", "max");
	shared->dwellers[group] = fork();
	if (shared->dwellers[group] == 0)
		dwell(path, random);
}

#define MOST_MIB 6

/* Writes some MiB, at least `least`, or "max". */
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
#define RECLAIMS 8

/* Writes "max" and 0 in turn, so that a reclaim that runs meanwhile reads both values. */
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
	/*
	 * A lower limit would kill at once, and the report of a kill takes long on an emulated
	 * console.
	 */
	if (racer_way(racer, 2) == 0)
		write_amount(racer, "memory.high", 0);
	else
		write_amount(racer, "memory.max", 3);
}

/*
 * Reclaims from above the tree, where its guarantee is distributed among the groups; from the
 * tree; or from one group.
 */
static void reclaim(struct racer *racer)
{
	struct shared *shared = racer->shared;
	char path[PATH_MAX];
	size_t level = random_below(&racer->random, 4);

	if (level < 2)
		snprintf(path, sizeof(path), "%s", shared->above);
	else if (level == 2)
		snprintf(path, sizeof(path), "%s", shared->parent);
	else
		path_of(shared, random_below(&racer->random, GROUPS), path);
	/*
	 * The file does not exist before Linux 5.19. Each write reclaims little, so that the
	 * guarantees are read often.
	 */
	for (int i = 0; i < RECLAIMS; i++)
		cgroup_write(path, "memory.reclaim", "64K");
}

/*
 * Guarantees to the tree, and to each group except one, all the memory that it has; the
 * guarantee of that one group comes and goes.
 */
static void guarantee_all(struct racer *racer)
{
	struct shared *shared = racer->shared;
	size_t left_out = random_below(&racer->random, GROUPS);
	char path[PATH_MAX];

	cgroup_write(shared->parent, "memory.low", "max");
	for (size_t i = 0; i < GROUPS; i++) {
		path_of(shared, i, path);
		if (i != left_out)
			cgroup_write(path, "memory.low", "max");
	}
	path_of(shared, left_out, path);
	for (int i = 0; i < FLIPS; i++)
		cgroup_write(path, "memory.low", i % 2 ? "4K" : "max");
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
	/* The call fails with EBUSY while a process that moved in is there, or is dying. */
	rmdir(path);
	settle(shared, group, random_next(&racer->random));
}

/*
 * Switches between the two ways of ageing pages: with two lists, or with generations, which are
 * then made by hand.
 */
static void age(struct racer *racer)
{
	static const char *const bits[] = { "0", "1", "3", "7" };
	char command[64];

	if (random_below(&racer->random, 4) == 0) {
		write_file(LRU_GEN "enabled", bits[random_below(&racer->random, 4)]);
		return;
	}
	/* The format is "+ cgroup node newest-generation can-swap force". */
	snprintf(command, sizeof(command), "+ %lu 0 %lu 1 1",
		 1 + (unsigned long)random_below(&racer->random, 64),
		 (unsigned long)random_below(&racer->random, 16));
	write_file("/sys/kernel/debug/lru_gen", command);
}

static const struct operation operations[] = {
	{ "guarantee", guarantee }, { "limit", limit },	    { "reclaim", reclaim },
	{ "guarantee", guarantee }, { "move", move },	    { "reclaim", reclaim },
	{ "freeze", freeze },	    { "renew", renew },	    { "age", age },
	{ "guarantee-all", guarantee_all },
};

static void prepare(struct shared *shared, uint64_t random)
{
	if (!cgroup_parent(shared->above, sizeof(shared->above)))
		workload_skip("no cgroup v2 on " CGROUP_ROOT);
	snprintf(shared->parent, sizeof(shared->parent), "%s/tree", shared->above);
	cgroup_remove(shared->parent);
	if (mkdir(shared->parent, 0755) < 0 ||
	    !cgroup_write(shared->parent, "cgroup.subtree_control", "+memory"))
		workload_fail("make %s", shared->parent);
	for (size_t i = 0; i < GROUPS; i++)
		settle(shared, i, random_next(&random));
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
	prepare(&shared, random_stream(workload.seed, THREADS));
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
