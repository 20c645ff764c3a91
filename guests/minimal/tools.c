// SPDX-License-Identifier: MIT
/*
 * Runs programs of the tools disk: programs that others wrote, with their own
 * libraries and loader, in a read-only image on a disk of the virtual machine. What
 * they write goes to a layer in memory. With --root / they are those of the guest itself.
 *
 *     tools [OPTION VALUE]... -- PROGRAM [ARGUMENT]...
 *     tools [OPTION VALUE]... -- [NAME=VALUE]... PROGRAM [ARGUMENT]... -- ...
 *
 * PROGRAM is a path of the image. Options:
 *
 *     --root PATH       where PROGRAM is a path; the image of the disk by default
 *     --seed N          decides the order; and IGT's own seed (IGT_SRANDOM, igt_core.c)
 *     --env NAME=VALUE  of every program
 *     --beside WORD     a word of the command line of a program of the guest: it runs
 *                       beside, and the others again and again until it ends
 *     --order-ms N      all programs, one after the other in an order of the seed; none
 *                       begins after N ms
 *     --picture-ms N    the program draws; after N ms the host takes a picture, and the
 *                       program's stdin, at which it waits, is closed
 *     --witness NAME    a counter that must have moved before that (goal.h),
 *     --limit-ms N      but nobody waits longer for it than so long
 */
#include "goal.h"
#include "layers.h"
#include "program.h"
#include "tools.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_SERIAL "splat-tools"
#define BELOW "/tools"

/* The guest's folders that the tools see at the same paths. */
static const char *const shared[] = { "/dev", "/proc", "/sys", "/tmp", "/run" };

static int mount_failed(const char *what)
{
	if (errno == ENODEV) {
		printf("skip: this kernel has no %s\n", what);
		return TOOLS_SKIP;
	}
	fprintf(stderr, "tools: mount %s: %s\n", what, strerror(errno));
	return 1;
}

static int mount_root(void)
{
	const char *failed;
	char disk[300];

	if (!disk_find(DISK_SERIAL, disk, sizeof(disk))) {
		fputs("tools: no disk has the serial number " DISK_SERIAL "\n", stderr);
		return 1;
	}
	failed = layers_mount(disk, BELOW);
	if (failed)
		return mount_failed(failed);
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		char target[64];

		snprintf(target, sizeof(target), TOOLS_ROOT "%s", shared[i]);
		mkdir(target, 0755);
		if (mount(shared[i], target, NULL, MS_BIND | MS_REC, NULL) < 0)
			return mount_failed(shared[i]);
	}
	return 0;
}

/* False for a word that is no option, or for one option too many. */
static bool take_option(struct tools *tools, const char *name, char *value)
{
	if (strcmp(name, "--env") == 0)
		return putenv(value) == 0;
	if (strcmp(name, "--root") == 0) {
		tools->root = value;
		return true;
	}
	if (strcmp(name, "--seed") == 0) {
		tools->seed = strtoull(value, NULL, 10);
		return setenv("IGT_SRANDOM", value, 1) == 0;
	}
	if (strcmp(name, "--order-ms") == 0) {
		tools->order_ms = strtoull(value, NULL, 10);
		return true;
	}
	if (strcmp(name, "--witness") == 0) {
		goal_add(value);
		return true;
	}
	if (strcmp(name, "--limit-ms") == 0) {
		tools->limit_ms = strtoull(value, NULL, 10);
		return true;
	}
	if (strcmp(name, "--picture-ms") == 0) {
		tools->picture_ms = strtoull(value, NULL, 10);
		return true;
	}
	if (strcmp(name, "--beside") != 0 || tools->beside_words + 1 >= TOOLS_WORDS_MAX)
		return false;
	tools->beside[tools->beside_words++] = value;
	return true;
}

/* Each command follows a word "--", which becomes the end of the list before it. */
static bool take_commands(struct tools *tools, char **words)
{
	while (*words != NULL) {
		*words++ = NULL;
		if (*words == NULL || tools->count == TOOLS_COMMANDS_MAX)
			return false;
		tools->commands[tools->count++] = words;
		while (*words != NULL && strcmp(*words, "--") != 0)
			words++;
	}
	return tools->count > 0;
}

static int tools_main(int argc, char **argv)
{
	static struct tools tools = { .root = TOOLS_ROOT };
	int at = 1;

	while (at + 1 < argc && strcmp(argv[at], "--") != 0 &&
	       take_option(&tools, argv[at], argv[at + 1]))
		at += 2;
	if (at + 1 >= argc || strcmp(argv[at], "--") != 0 || !take_commands(&tools, argv + at)) {
		fputs("tools: [OPTION VALUE]... -- PROGRAM [ARGUMENT]...\n", stderr);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* For a second program in one guest, the disk is mounted already. */
	if (strcmp(tools.root, TOOLS_ROOT) == 0 && access(TOOLS_ROOT "/proc/self", F_OK) < 0) {
		int status = mount_root();

		if (status != 0)
			return status;
	}
	return tools_run(&tools);
}

PROGRAM("tools", tools_main);
