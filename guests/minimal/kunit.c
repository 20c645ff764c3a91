// SPDX-License-Identifier: MIT
/*
 * Runs a KUnit suite and prints what the kernel's log says meanwhile, each line without its
 * prefix. Among these lines are the results, as KTAP (Documentation/dev-tools/ktap.rst).
 *
 *     kunit --suite NAME    runs the suite, if suites can be run after boot (debugfs)
 *     kunit --boot          prints the log since boot, during which the suite ran
 *
 * The log is read while the suite runs, so that the results are not lost when it hangs.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITES "/sys/kernel/debug/kunit"
#define SKIP 4
/*
 * The largest record of /dev/kmsg, escaped (PRINTKRB_RECORD_MAX and CONSOLE_EXT_LOG_MAX are
 * smaller).
 */
#define RECORD_MAX 16384
#define POLL_MS 200

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/*
 * Prints the text of a record such as "6,153,7201945,-,caller=T51;TEXT\n KEY=VALUE\n", in which
 * unusual bytes are \xNN.
 */
static void print_record(char *record)
{
	char *text = strchr(record, ';');

	if (text == NULL)
		return;
	text++;
	text[strcspn(text, "\n")] = '\0';
	while (*text != '\0') {
		if (text[0] == '\\' && text[1] == 'x' && hex_digit(text[2]) >= 0 &&
		    hex_digit(text[3]) >= 0) {
			putchar(hex_digit(text[2]) * 16 + hex_digit(text[3]));
			text += 4;
		} else {
			putchar(*text++);
		}
	}
	putchar('\n');
}

/* Prints all records that are there now; false when the log cannot be read. */
static bool drain(int log)
{
	static char record[RECORD_MAX];

	for (;;) {
		ssize_t length = read(log, record, sizeof(record) - 1);

		if (length > 0) {
			record[length] = '\0';
			print_record(record);
		} else if (length < 0 && errno == EPIPE) {
			puts("kunit: the kernel's log was overwritten before it was read");
		} else if (length < 0 && errno == EINTR) {
			continue;
		} else {
			fflush(stdout);
			return length == 0 || errno == EAGAIN;
		}
	}
}

static int open_log(int whence)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (log < 0 || lseek(log, 0, whence) < 0) {
		fprintf(stderr, "kunit: /dev/kmsg: %s\n", strerror(errno));
		return -1;
	}
	return log;
}

/*
 * Starts a child that runs the suite: the write that starts a suite returns only when the suite
 * is over.
 */
static pid_t start_suite(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		int file = open(path, O_WRONLY);

		if (file < 0 || write(file, "1", 1) < 0) {
			fprintf(stderr, "kunit: %s: %s\n", path, strerror(errno));
			_exit(1);
		}
		_exit(0);
	}
	return pid;
}

static int skip(const char *reason)
{
	printf("skip: %s\n", reason);
	return SKIP;
}

static int run_suite(const char *name)
{
	char path[512];
	int log, status = 0;
	pid_t pid, ended = 0;

	if (access(SUITES, F_OK) < 0)
		return skip("this kernel has no KUnit, or no files for its suites (CONFIG_KUNIT, CONFIG_KUNIT_DEBUGFS)");
	if (snprintf(path, sizeof(path), SUITES "/%s/run", name) >= (int)sizeof(path) ||
	    access(path, F_OK) < 0)
		return skip("no suite of that name can be run after boot in this kernel");
	log = open_log(SEEK_END);
	pid = log < 0 ? -1 : start_suite(path);
	if (pid < 0)
		return 1;
	while (ended == 0) {
		struct pollfd ready = { .fd = log, .events = POLLIN };

		poll(&ready, 1, POLL_MS);
		ended = waitpid(pid, &status, WNOHANG);
		if (!drain(log))
			return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int print_boot(void)
{
	int log;

	if (access(SUITES, F_OK) < 0)
		return skip("this kernel has no KUnit, or no files for its suites (CONFIG_KUNIT, CONFIG_KUNIT_DEBUGFS)");
	log = open_log(SEEK_SET);
	return log >= 0 && drain(log) ? 0 : 1;
}

static int kunit_main(int argc, char **argv)
{
	bool boot = false;
	const char *suite = NULL;

	for (int at = 1; at < argc; at++) {
		if (strcmp(argv[at], "--boot") == 0)
			boot = true;
		else if (strcmp(argv[at], "--suite") == 0 && at + 1 < argc)
			suite = argv[++at];
		/* The seed of the trial is ignored, because no suite takes one. */
		else if (strcmp(argv[at], "--seed") != 0 || ++at == argc)
			return fputs("kunit: --suite NAME | --boot\n", stderr), 1;
	}
	if (boot == (suite != NULL)) {
		fputs("kunit: --suite NAME | --boot\n", stderr);
		return 1;
	}
	return boot ? print_boot() : run_suite(suite);
}

PROGRAM("kunit", kunit_main);
