// SPDX-License-Identifier: MIT
#include "workload.h"

#include "files.h"
#include "goal.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define EXIT_FAILED 1
#define EXIT_MISSING 4


static const char *own_name = "workload";

static uint64_t parse_number(const char *option, const char *text, uint64_t max)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > max) {
		errno = 0;
		workload_fail("--%s %s: want a number from 0 to %" PRIu64, option, text, max);
	}
	return number;
}

void workload_start(struct workload *workload, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "duration-ms", required_argument, NULL, 'd' },
		{ "limit-ms", required_argument, NULL, 'l' },
		{ "witness", required_argument, NULL, 'w' },
		{ "memory-mib", required_argument, NULL, 'm' },
		{ "reap-timeout-ms", required_argument, NULL, 'r' },
		{ "anyway", no_argument, NULL, 'a' },
		{ 0 },
	};
	int which, index = 0;

	own_name = workload->name;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((which = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (which == 's')
			workload->seed = parse_number("seed", optarg, UINT64_MAX);
		else if (which == 'd')
			workload->duration_ms = parse_number("duration-ms", optarg, 86400000);
		else if (which == 'l')
			workload->limit_ms = parse_number("limit-ms", optarg, 86400000);
		else if (which == 'w')
			goal_add(optarg);
		else if (which == 'm')
			workload->memory_mib = parse_number("memory-mib", optarg, 1 << 20);
		else if (which == 'r')
			workload->reap_timeout_ms =
				parse_number("reap-timeout-ms", optarg, 3600000);
		else if (which == 'a')
			workload->anyway = true;
		else
			exit(EXIT_FAILED);
	}
	if (optind != argc)
		workload_fail("unexpected argument %s", argv[optind]);
	if (workload->memory_mib < 16)
		workload_fail("--memory-mib %lu: want at least 16", workload->memory_mib);
	printf("start %s seed %" PRIu64 " duration-ms %lu memory-mib %lu\n", workload->name,
	       workload->seed, workload->duration_ms, workload->memory_mib);
	workload->end_ns = monotonic_ns() + workload->duration_ms * 1000000u;
	workload->limit_ns = workload->end_ns;
	if (workload->limit_ms > workload->duration_ms)
		workload->limit_ns += (workload->limit_ms - workload->duration_ms) * 1000000u;
}

bool workload_time_is_left(const struct workload *workload)
{
	return monotonic_ns() < workload->end_ns || workload_goal_is_open(workload);
}

bool workload_goal_is_open(const struct workload *workload)
{
	return monotonic_ns() < workload->limit_ns && !goal_is_met();
}

void pause_ms(unsigned long ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

void workload_fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	fprintf(stderr, "%s: ", own_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	if (error != 0)
		fprintf(stderr, ": %s", strerror(error));
	fputc('\n', stderr);
	exit(EXIT_FAILED);
}

/*
 * Does not use stdio: in the child of one thread, another thread may have held stdio's lock at
 * the fork.
 */
_Noreturn static void end_with(const char *kind, const char *what, int status)
{
	char text[256];
	int length = snprintf(text, sizeof(text), "%s: %s\n", kind, what);

	write_all(STDOUT_FILENO, text, (size_t)length);
	_exit(status);
}

void workload_corrupted(const char *what)
{
	end_with("corruption", what, EXIT_CORRUPTED);
}

void workload_leaked(const char *what)
{
	end_with("leak", what, EXIT_LEAKED);
}

void workload_skip(const char *format, ...)
{
	va_list arguments;

	fputs("skip: ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	exit(EXIT_MISSING);
}

static bool kernel_is_before(const char *version)
{
	struct utsname kernel;
	int major = 0, minor = 0, other_major = 0, other_minor = 0;

	uname(&kernel);
	sscanf(kernel.release, "%d.%d", &major, &minor);
	sscanf(version, "%d.%d", &other_major, &other_minor);
	return major < other_major || (major == other_major && minor < other_minor);
}

void workload_skip_known(const struct workload *workload, const char *since, const char *fixed_in,
			 const char *bug)
{
	if (workload->anyway || (since && kernel_is_before(since)) ||
	    (fixed_in && !kernel_is_before(fixed_in)))
		return;
	workload_skip("a known bug of Linux%s%s%s%s: %s", since ? " since " : "", since ? since : "",
		      fixed_in ? " before " : "", fixed_in ? fixed_in : "", bug);
}
