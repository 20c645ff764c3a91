// SPDX-License-Identifier: MIT
/*
 * The program that stands by (spawn.h) until the agent says what it is to run. A copy of a
 * guest then needs neither a fork nor, for a program of this binary, an exec, whose code an
 * emulator would have to translate first.
 */
#include "program.h"
#include "spawn.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads until the writer closes its end. Returns the number of bytes, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, bytes + length, size - length);

		if (got == 0)
			return (ssize_t)length;
		if (got < 0 && errno != EINTR)
			return -1;
		if (got > 0)
			length += (size_t)got;
	}
	errno = E2BIG;
	return -1;
}

/* Whether a path is another name of this binary, as the links in /bin are. */
static bool is_this_binary(const char *path)
{
	struct stat own, other;

	return strchr(path, '/') && stat("/proc/self/exe", &own) == 0 &&
	       stat(path, &other) == 0 && own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static int stand_by_main(int argc, char **argv)
{
	static char text[WIRE_LINE_MAX + 1];
	static char *words[WIRE_WORDS_MAX + 1];
	const struct program *program;
	ssize_t length;
	int count = 0;

	(void)argc;
	prctl(PR_SET_NAME, argv[0]);
	fcntl(SPAWN_ERROR_FD, F_SETFD, FD_CLOEXEC);
	length = read_all(SPAWN_WORDS_FD, text, sizeof(text) - 1);
	close(SPAWN_WORDS_FD);
	/* Nobody is left to say a word. */
	if (length <= 0)
		return 1;
	for (char *at = text; at < text + length && count < WIRE_WORDS_MAX; at += strlen(at) + 1)
		words[count++] = at;
	program = is_this_binary(words[0]) ? program_find(words[0]) : NULL;
	if (program) {
		close(SPAWN_ERROR_FD);
		prctl(PR_SET_NAME, program->name);
		return program->main(count, words);
	}
	execvp(words[0], words);
	spawn_report_error(SPAWN_ERROR_FD);
	return 127;
}

PROGRAM("stand-by", stand_by_main);
