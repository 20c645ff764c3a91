/* SPDX-License-Identifier: MIT */
/* Programs of the tools disk: which are run, and how. */
#ifndef SPLAT_TOOLS_H
#define SPLAT_TOOLS_H

#include <stddef.h>
#include <stdint.h>

#define TOOLS_ROOT "/tools/root"
/*
 * Exit code 4 of a kselftest, a skip: that this kernel lacks something is not a failure of the
 * test.
 */
#define TOOLS_SKIP 4
/* The agent takes at most 512 words in all. */
#define TOOLS_COMMANDS_MAX 128
#define TOOLS_WORDS_MAX 64

struct tools {
	/* The folder that programs are run in (chroot(2)). */
	const char *root;
	uint64_t seed;
	/* Zero when the commands run in the order in which they are given. */
	uint64_t order_ms;
	/*
	 * Unless zero, a picture of the screen is taken after picture_ms, and the program's
	 * stdin is closed.
	 */
	uint64_t picture_ms, limit_ms;
	/* The command that runs beside the others; no words when there is none. */
	char *beside[TOOLS_WORDS_MAX];
	size_t beside_words;
	/* Each is a NULL-terminated list: [NAME=VALUE]... PROGRAM [ARGUMENT]... */
	char **commands[TOOLS_COMMANDS_MAX];
	size_t count;
};

/*
 * Runs the commands below their root. A single command replaces this process. Returns the first
 * exit code that is neither 0 nor IGT's code for a skip; 128 + N stands for a program that
 * signal N killed. When the program that runs beside the others skips, the result is a skip.
 */
int tools_run(struct tools *tools);

#endif
