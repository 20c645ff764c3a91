// SPDX-License-Identifier: MIT
#include "spawn.h"

#include "files.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Undoes what the agent has and a program must not inherit: its OOM immunity and its signal
 * mask.
 */
static bool become_ordinary(const int *standard_fds)
{
	sigset_t none;

	sigemptyset(&none);
	if (!write_file("/proc/self/oom_score_adj", "0"))
		return false;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int standard = 0; standard <= 2; standard++)
		if (dup2(standard_fds[standard], standard) < 0)
			return false;
	setsid();
	return chdir("/") == 0;
}

void spawn_report_error(int error_fd)
{
	int error = errno;

	write_all(error_fd, &error, sizeof(error));
}

static void exec_program(char **argv, const int *standard_fds, int error_fd)
{
	if (become_ordinary(standard_fds))
		execvp(argv[0], argv);
	spawn_report_error(error_fd);
	_exit(127);
}

/* Becomes the program "stand-by" of this binary. */
static void exec_stand_by(const int *standard_fds, int words_fd, int error_fd)
{
	static char *const argv[] = { "stand-by", NULL };
	/* Two steps, because one of the descriptors may have the other's number already. */
	int words = fcntl(words_fd, F_DUPFD, SPAWN_ERROR_FD + 1);
	int error = fcntl(error_fd, F_DUPFD, SPAWN_ERROR_FD + 1);

	if (words >= 0 && error >= 0 && become_ordinary(standard_fds) &&
	    dup2(words, SPAWN_WORDS_FD) >= 0 && dup2(error, SPAWN_ERROR_FD) >= 0) {
		close(words);
		close(error);
		execv("/proc/self/exe", argv);
	}
	_exit(127);
}

/*
 * Like fork(), but the child is born inside the cgroup, so that killing the cgroup always
 * reaches it.
 */
static pid_t fork_into(const char *path)
{
	struct clone_args arguments = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;

	if (cgroup < 0)
		return -1;
	arguments.cgroup = (uint64_t)cgroup;
	pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid != 0)
		close(cgroup);
	return pid;
}

static void close_fds(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* The pipes of a program: [0] is the end to read, [1] the end to write. */
enum { STDOUT_PIPE, STDERR_PIPE, ERROR_PIPE, WORDS_PIPE, PIPES };

static int open_pipes(int pipes[PIPES][2], int *null_fd)
{
	*null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (*null_fd < 0)
		return errno;
	for (int i = 0; i < PIPES; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			return errno;
	for (int i = 0; i < WORDS_PIPE; i++)
		if (fcntl(pipes[i][0], F_SETFL, O_NONBLOCK) < 0)
			return errno;
	return 0;
}

/* Starts argv, or the program that stands by if argv is NULL. */
static int start(const char *cgroup, char **argv, struct spawned *spawned)
{
	int pipes[PIPES][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int null_fd = -1;
	int error = open_pipes(pipes, &null_fd);
	int standard_fds[3] = { null_fd, pipes[STDOUT_PIPE][1], pipes[STDERR_PIPE][1] };

	if (error == 0) {
		spawned->pid = fork_into(cgroup);
		if (spawned->pid == 0 && argv)
			exec_program(argv, standard_fds, pipes[ERROR_PIPE][1]);
		if (spawned->pid == 0)
			exec_stand_by(standard_fds, pipes[WORDS_PIPE][0], pipes[ERROR_PIPE][1]);
		if (spawned->pid < 0)
			error = errno;
	}
	close_fds(&null_fd, 1);
	close_fds(&pipes[WORDS_PIPE][0], 1);
	for (int i = 0; i < WORDS_PIPE; i++)
		close_fds(&pipes[i][1], 1);
	if (argv)
		close_fds(&pipes[WORDS_PIPE][1], 1);
	spawned->output_fds[0] = pipes[STDOUT_PIPE][0];
	spawned->output_fds[1] = pipes[STDERR_PIPE][0];
	spawned->error_fd = pipes[ERROR_PIPE][0];
	spawned->words_fd = pipes[WORDS_PIPE][1];
	if (error != 0)
		spawn_close(spawned);
	return error;
}

int spawn(const char *cgroup, char **argv, struct spawned *spawned)
{
	return start(cgroup, argv, spawned);
}

int spawn_stand_by(const char *cgroup, struct spawned *spawned)
{
	return start(cgroup, NULL, spawned);
}

int spawn_go(struct spawned *spawned, char **argv)
{
	/* An empty pipe of 64 KiB takes a line of the wire at once (man 7 pipe). */
	static char text[WIRE_LINE_MAX];
	size_t length = 0;
	int error = 0;

	for (; *argv; argv++) {
		size_t size = strlen(*argv) + 1;

		if (length + size > sizeof(text))
			return E2BIG;
		memcpy(text + length, *argv, size);
		length += size;
	}
	if (!write_all(spawned->words_fd, text, length))
		error = errno;
	close_fds(&spawned->words_fd, 1);
	return error;
}

void spawn_close(struct spawned *spawned)
{
	close_fds(spawned->output_fds, 2);
	close_fds(&spawned->error_fd, 1);
	close_fds(&spawned->words_fd, 1);
}
