// SPDX-License-Identifier: MIT
/*
 * kmemleak [--forget]
 *
 * Makes the kernel look twice for memory that nothing points to, and prints what it found as the kernel lists it;
 * with --forget the kernel forgets what it found instead, so that a later look does not find it. Two looks, since
 * the first takes all that is new or has changed for used, and so far apart that all that was there at the first is
 * old enough at the second (MSECS_MIN_AGE, mm/kmemleak.c). Exit status: 0 looked; 1 with a line on stderr when the
 * kernel's detector is off.
 */
#include "files.h"
#include "program.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST "/sys/kernel/debug/kmemleak"
#define BETWEEN_MS 5200
/* A kernel that leaks all it has need not be told of more than that. */
#define MOST_BYTES (1024 * 1024)

static bool tell(const char *command)
{
	if (write_file(LIST, command))
		return true;
	/* EPERM: it switched itself off, for want of memory or because of a fault in its own books. */
	fprintf(stderr, "kmemleak: %s: %s\n", command, strerror(errno));
	return false;
}

static bool print_list(void)
{
	char chunk[4096];
	size_t printed = 0;
	ssize_t length = 0;
	int list = open(LIST, O_RDONLY | O_CLOEXEC);

	if (list < 0) {
		perror("kmemleak: open " LIST);
		return false;
	}
	while (printed < MOST_BYTES && (length = read(list, chunk, sizeof(chunk))) > 0) {
		if (!write_all(STDOUT_FILENO, chunk, (size_t)length))
			break;
		printed += (size_t)length;
	}
	close(list);
	if (length < 0)
		perror("kmemleak: read " LIST);
	return length >= 0;
}

static int kmemleak_main(int argc, char **argv)
{
	bool forget = argc == 2 && strcmp(argv[1], "--forget") == 0;

	if (argc != 1 && !forget) {
		fputs("usage: kmemleak [--forget]\n", stderr);
		return 1;
	}
	if (!tell("scan"))
		return 1;
	pause_ms(BETWEEN_MS);
	if (!tell("scan"))
		return 1;
	return (forget ? tell("clear") : print_list()) ? 0 : 1;
}

PROGRAM("kmemleak", kmemleak_main);
