// SPDX-License-Identifier: MIT
#include "tools.h"

#include "files.h"
#include "goal.h"
#include "random.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* IGT's exit code for a skip (igt_core.h). */
#define IGT_SKIP 77
/* The host writes this file when it has the picture. */
#define PICTURE_TAKEN "/tmp/picture-taken"
#define PICTURE_PATIENCE_MS 20000
#define END_PATIENCE_MS 5000

/* Replaces this process by a program. Returns only on failure. */
static int become(const struct tools *tools, char **words)
{
	if (chroot(tools->root) < 0 || chdir("/") < 0) {
		perror("tools: chroot");
		return 1;
	}
	while (words[0][0] != '/' && words[1] != NULL)
		putenv(*words++);
	execv(words[0], words);
	fprintf(stderr, "tools: %s: %s\n", words[0], strerror(errno));
	return 1;
}

static int code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Waits for one child. Orphans of other programs are reaped by the agent. */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return code_of(status);
}

/*
 * Runs a program. The first line names the program whose output follows, since tests of IGT do
 * not print their names.
 */
static int run_one(const struct tools *tools, char **words)
{
	pid_t pid;

	fputs("tools:", stdout);
	for (char **word = words; *word != NULL; word++) {
		printf(" %s", *word);
		if ((*word)[0] == '/')
			break;
	}
	putchar('\n');
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(become(tools, words));
	return pid < 0 ? 1 : wait_for(pid);
}

/* Starts the program that runs beside the others. Its output is kept apart from theirs. */
static pid_t start_beside(const struct tools *tools)
{
	pid_t pid = fork();

	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv(tools->beside[0], tools->beside);
		fprintf(stderr, "tools: %s: %s\n", tools->beside[0], strerror(errno));
		_exit(1);
	}
	return pid;
}

/* Fisher and Yates: every order is equally likely, and the seed decides which one it is. */
static void shuffle(struct tools *tools)
{
	uint64_t state = random_stream(tools->seed, 0);

	for (size_t left = tools->count; left > 1; left--) {
		size_t other = random_below(&state, left);
		char **words = tools->commands[left - 1];

		tools->commands[left - 1] = tools->commands[other];
		tools->commands[other] = words;
	}
}

/* The worse of two exit codes; a skip is neither good nor bad. */
static int worse(int code, int other)
{
	return code == 0 || code == IGT_SKIP ? other : code;
}

static int run_in_order(struct tools *tools)
{
	uint64_t end_ns = monotonic_ns() + tools->order_ms * 1000000;
	int code = 0;

	shuffle(tools);
	for (size_t i = 0; i < tools->count && monotonic_ns() < end_ns; i++)
		code = worse(code, run_one(tools, tools->commands[i]));
	return code;
}

/* Runs the commands at least once, and again until the program beside them has ended. */
static int run_beside(const struct tools *tools)
{
	pid_t beside = start_beside(tools);
	int code = 0, status = 0;
	pid_t ended = 0;

	if (beside < 0)
		return 1;
	while (ended == 0) {
		for (size_t i = 0; i < tools->count; i++)
			code = worse(code, run_one(tools, tools->commands[i]));
		ended = waitpid(beside, &status, WNOHANG);
		if (code == IGT_SKIP)
			break;
	}
	if (ended == 0) {
		kill(beside, SIGKILL);
		return code;
	}
	status = code_of(status);
	if (status == 0)
		return code;
	fprintf(stderr, "tools: %s ended with exit code %d\n", tools->beside[0], status);
	return status == TOOLS_SKIP ? TOOLS_SKIP : worse(code, 1);
}

static void sleep_ms(uint64_t ms)
{
	struct timespec pause = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
		;
}

/* Asks the host for a picture, and waits until it is taken. */
static void show(void)
{
	puts("picture");
	fflush(stdout);
	for (int waited = 0; waited < PICTURE_PATIENCE_MS && access(PICTURE_TAKEN, F_OK) < 0; waited += 50)
		sleep_ms(50);
}

/*
 * Ends a program. One that reads its stdin ends when stdin is closed; others get SIGTERM, then
 * SIGKILL, and have succeeded.
 */
static int end_program(pid_t pid)
{
	static const int signals[] = { 0, SIGTERM, SIGKILL };
	int status;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		kill(pid, signals[i]);
		for (int waited = 0; waited < END_PATIENCE_MS; waited += 50) {
			if (waitpid(pid, &status, WNOHANG) == pid)
				return i == 0 ? code_of(status) : 0;
			sleep_ms(50);
		}
	}
	return 1;
}

static int run_and_show(const struct tools *tools)
{
	uint64_t limit_ns = monotonic_ns() + tools->limit_ms * 1000000;
	int ends[2], status;
	pid_t pid;

	if (pipe(ends) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(become(tools, tools->commands[0]));
	}
	close(ends[0]);
	if (pid < 0)
		return 1;
	sleep_ms(tools->picture_ms);
	while (!goal_is_met() && monotonic_ns() < limit_ns && kill(pid, 0) == 0)
		sleep_ms(200);
	/* A program that has ended by now shows nothing any more. */
	if (waitpid(pid, &status, WNOHANG) == pid) {
		fputs("tools: it ended before there was a picture\n", stderr);
		return code_of(status) == 0 ? 1 : code_of(status);
	}
	show();
	close(ends[1]);
	return end_program(pid);
}

int tools_run(struct tools *tools)
{
	if (tools->picture_ms > 0)
		return run_and_show(tools);
	if (tools->order_ms > 0)
		return run_in_order(tools);
	if (tools->beside_words > 0)
		return run_beside(tools);
	return become(tools, tools->commands[0]);
}
