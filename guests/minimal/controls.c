// SPDX-License-Identifier: MIT
/*
 * controls --mode MODE --trigger TRIGGER [--notifier hlist|interval] [--refusals N]
 *          [--times once|always] [--seed N] [--duration-ms N] [--reap-timeout-ms N]
 *
 * Arms the seeded-bug driver and sets off what makes the bug visible. Exit status 0: the
 * trigger ran; what the kernel printed about it is for the reader of the console. A broken
 * mode is triggered once, for exactly its splats, unless --times says otherwise; a legal
 * one again and again for the duration, since silence is what it must show.
 */
#include "controls.h"

#include "notifiers.h"
#include "program.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *name;
	bool legal;
	bool may_be_refused; /* REGISTER answers EINVAL: the kernel has seen what is wrong */
	uint32_t flags;
} modes[SPLAT_MN_MODES] = {
	[SPLAT_MN_WELL_BEHAVED] = { "well-behaved", .legal = true },
	[SPLAT_MN_FAIL_BLOCKABLE] = { "fail-blockable" },
	[SPLAT_MN_FAIL_NONBLOCKABLE] = { "fail-nonblockable" },
	[SPLAT_MN_SLEEP_MUTEX] = { "sleep-mutex" },
	[SPLAT_MN_SLEEP_ALLOC] = { "sleep-alloc" },
	[SPLAT_MN_SLEEP_WAIT_EVENT] = { "sleep-wait-event" },
	[SPLAT_MN_SLEEP_FENCE_WAIT] = { "sleep-fence-wait" },
	[SPLAT_MN_SLEEP_DEEP] = { "sleep-deep" },
	[SPLAT_MN_SCHEDULE] = { "schedule" },
	[SPLAT_MN_UNBALANCED] = { "unbalanced" },
	[SPLAT_MN_ALLOC_UNDER_LOCK] = { "alloc-under-lock" },
	[SPLAT_MN_ALLOC_UNDER_END_LOCK] = { "alloc-under-end-lock", .flags = SPLAT_MN_WITH_END },
	[SPLAT_MN_REGISTER_UNDER_LOCK] = { "register-under-lock" },
	[SPLAT_MN_FENCE_ALLOC_NOIO] = { "fence-alloc-noio" },
	[SPLAT_MN_ABBA_MMAP_LOCK] = { "abba-mmap-lock" },
	[SPLAT_MN_SPINLOCK] = { "spinlock", .legal = true },
	[SPLAT_MN_REFUSE] = { "refuse", .legal = true },
	[SPLAT_MN_ALLOC_UNDER_ALL_LOCKS] = { "alloc-under-all-locks" },
	[SPLAT_MN_UNREGISTER_UNDER_LOCK] = { "unregister-under-lock" },
	[SPLAT_MN_READ_UNDER_LOCK] = { "read-under-lock" },
	[SPLAT_MN_RESV_IN_CALLBACK] = { "resv-in-callback" },
	[SPLAT_MN_ALLOC_IN_CALLBACK] = { "alloc-in-callback" },
	[SPLAT_MN_OTHER_MMAP_LOCK] = { "other-mmap-lock" },
	[SPLAT_MN_SLEEP_YOUNG] = { "sleep-young" },
	[SPLAT_MN_SLEEP_TLB] = { "sleep-tlb" },
	[SPLAT_MN_START_AND_TLB] = { "start-and-tlb", .may_be_refused = true },
	[SPLAT_MN_START_ONLY] = { "start-only" },
	[SPLAT_MN_START_ONLY_LOCKED] = { "start-only-locked" },
	[SPLAT_MN_SLEEP_FINISH] = { "sleep-finish" },
	[SPLAT_MN_SLEEP_FREE] = { "sleep-free" },
	[SPLAT_MN_PUT_TWICE] = { "put-twice" },
	[SPLAT_MN_FENCE_RESV] = { "fence-resv" },
	[SPLAT_MN_FENCE_MMAP_LOCK] = { "fence-mmap-lock" },
	[SPLAT_MN_FENCE_ALLOC] = { "fence-alloc" },
	[SPLAT_MN_FENCE_LOCK] = { "fence-lock" },
	[SPLAT_MN_FENCE_WAIT] = { "fence-wait" },
	[SPLAT_MN_UNLOCK_UNLOCKED] = { "unlock-unlocked" },
	[SPLAT_MN_FREE_MAPPED] = { "free-mapped" },
	[SPLAT_MN_ASK_PROCESSOR] = { "ask-processor" },
	[SPLAT_MN_UNMAP_OTHER_WAY] = { "unmap-other-way" },
	[SPLAT_MN_READ_FREED] = { "read-freed" },
	[SPLAT_MN_RACE] = { "race" },
	[SPLAT_MN_FORGET] = { "forget" },
};

static const struct {
	const char *name;
	trigger_function *run;
} triggers[] = {
	{ "register", trigger_register },     { "munmap", trigger_munmap },
	{ "mrelease", trigger_mrelease },     { "oom-memcg", trigger_oom_memcg },
	{ "oom-global", trigger_oom_global }, { "reclaim", trigger_reclaim },
	{ "dontneed", trigger_dontneed },     { "idle", trigger_idle },
};

struct options {
	struct control control;
	trigger_function *trigger;
	bool always;
};

static bool parse_mode(const char *name, struct options *options)
{
	for (size_t i = 0; i < SPLAT_MN_MODES; i++) {
		if (strcmp(modes[i].name, name) != 0)
			continue;
		options->control.mode = (enum splat_mn_mode)i;
		options->control.flags = modes[i].flags;
		return true;
	}
	return false;
}

static bool parse_trigger(const char *name, struct options *options)
{
	for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++)
		if (strcmp(triggers[i].name, name) == 0)
			options->trigger = triggers[i].run;
	return options->trigger != NULL;
}

static bool parse_notifier(const char *name, struct options *options)
{
	options->control.kind = strcmp(name, "interval") == 0 ? SPLAT_MN_INTERVAL : SPLAT_MN_HLIST;
	return options->control.kind == SPLAT_MN_INTERVAL || strcmp(name, "hlist") == 0;
}

static bool parse_refusals(const char *text, struct options *options)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	options->control.refusals = (uint32_t)number;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= UINT32_MAX;
}

static bool parse_times(const char *text, struct options *options)
{
	options->always = strcmp(text, "always") == 0;
	return options->always || strcmp(text, "once") == 0;
}

#define OWN_OPTIONS 5

static const struct {
	const char *name;
	bool (*parse)(const char *text, struct options *options);
} own_options[OWN_OPTIONS] = {
	{ "--mode", parse_mode },
	{ "--trigger", parse_trigger },
	{ "--notifier", parse_notifier },
	{ "--refusals", parse_refusals },
	{ "--times", parse_times },
};

/* Moves the values of our options out of argv, which keeps what all workloads share; returns the new argc. */
static int take_options(int argc, char **argv, const char *values[OWN_OPTIONS])
{
	int kept = 1;

	for (int i = 1; i < argc; i++) {
		size_t own = 0;

		while (own < OWN_OPTIONS && strcmp(own_options[own].name, argv[i]) != 0)
			own++;
		if (own == OWN_OPTIONS)
			argv[kept++] = argv[i];
		else
			values[own] = i + 1 < argc ? argv[++i] : "";
	}
	argv[kept] = NULL;
	return kept;
}

static void parse_options(const char *const values[OWN_OPTIONS], struct options *options)
{
	errno = 0;
	for (size_t i = 0; i < OWN_OPTIONS; i++)
		if (values[i] && !own_options[i].parse(values[i], options))
			workload_fail("%s: no such value: \"%s\"", own_options[i].name, values[i]);
	if (!options->trigger)
		workload_fail("no --trigger");
}

struct mirror mirror_begin(const struct control *control)
{
	struct splat_mn_arm arming = { .mode = control->mode, .refusals = control->refusals };
	struct splat_mn_register registration = {
		.length = control->bytes,
		.kind = control->kind,
		.flags = control->flags,
	};
	struct mirror mirror = { .device = notifiers_open() };

	mirror.memory = mmap(NULL, control->bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mirror.memory == MAP_FAILED)
		workload_fail("map %zu bytes", control->bytes);
	registration.start = (uintptr_t)mirror.memory;
	if (ioctl(mirror.device, SPLAT_MN_IOC_ARM, &arming) < 0) {
		if (errno == EOPNOTSUPP)
			workload_skip("this kernel has nothing that %s could break",
				      modes[control->mode].name);
		workload_fail("arm mode %s", modes[control->mode].name);
	}
	if (ioctl(mirror.device, SPLAT_MN_IOC_REGISTER, &registration) < 0 &&
	    !(errno == EINVAL && modes[control->mode].may_be_refused))
		workload_fail("register a notifier");
	/* EINVAL: nothing to do in process context. */
	if (ioctl(mirror.device, SPLAT_MN_IOC_KICK) < 0 && errno != EINVAL)
		workload_fail("kick mode %s", modes[control->mode].name);
	return mirror;
}

void mirror_end(const struct mirror *mirror, const struct control *control)
{
	close(mirror->device);
	munmap(mirror->memory, control->bytes);
}

static int controls_main(int argc, char **argv)
{
	struct workload workload = { .name = "controls", .memory_mib = 16, .reap_timeout_ms = 30000 };
	struct options options = { .control = { .refusals = 1 } };
	const char *values[OWN_OPTIONS] = { NULL };
	uint64_t random;

	workload_start(&workload, take_options(argc, argv, values), argv);
	parse_options(values, &options);
	random = random_stream(workload.seed, 0);
	options.control.timeout_ms = workload.reap_timeout_ms;
	do {
		options.control.bytes = (16 + random_below(&random, 48)) * PAGE_BYTES;
		options.trigger(&options.control);
	} while ((modes[options.control.mode].legal || options.always) && workload_time_is_left(&workload));
	return 0;
}

PROGRAM("controls", controls_main);
