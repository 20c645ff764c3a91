/* SPDX-License-Identifier: MIT */
/* Programs of the tools disk: what is run, and how. */
#ifndef SPLAT_TOOLS_H
#define SPLAT_TOOLS_H

#include <stddef.h>
#include <stdint.h>

#define TOOLS_ROOT "/tools/root"
/* Exit code 4 of a kselftest: what this kernel lacks is no failure of the test. */
#define TOOLS_SKIP 4
/* The agent takes no more words than 512 in all. */
#define TOOLS_COMMANDS_MAX 128
#define TOOLS_WORDS_MAX 64

struct tools {
	/* Where programs are looked for: they run below it (chroot(2)). */
	const char *root;
	uint64_t seed;
	/* Zero: the commands run in the order in which they are given. */
	uint64_t order_ms;
	/* Not zero: after so long a picture of the screen is taken, and the program's stdin closed. */
	uint64_t picture_ms, limit_ms;
	/* The command line of what runs beside; no words: nothing does. */
	char *beside[TOOLS_WORDS_MAX];
	size_t beside_words;
	/* Each a NULL-terminated list: [NAME=VALUE]... PROGRAM [ARGUMENT]... */
	char **commands[TOOLS_COMMANDS_MAX];
	size_t count;
};

/*
 * Runs them below their root. A lone command takes the place of this process. Returns the
 * exit code: the first that is not 0 nor IGT's for a skip, 128 + N for a program that was
 * killed by signal N. A program that runs beside and skips is a skip of all.
 */
int tools_run(struct tools *tools);

#endif
