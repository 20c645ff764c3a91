// SPDX-License-Identifier: MIT
#include "spawn.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
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

static void exec_program(char **argv, const int *standard_fds, int error_fd)
{
	int error;

	if (become_ordinary(standard_fds))
		execvp(argv[0], argv);
	error = errno;
	write_all(error_fd, &error, sizeof(error));
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

/*
 * Opens the pipes: 0 and 1 carry stdout and stderr, 2 carries the errno of exec. [0] is the end
 * to read, [1] the end to write.
 */
static int open_pipes(int pipes[3][2], int *null_fd)
{
	*null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (*null_fd < 0)
		return errno;
	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0 ||
		    fcntl(pipes[i][0], F_SETFL, O_NONBLOCK) < 0)
			return errno;
	return 0;
}

int spawn(const char *cgroup, char **argv, struct spawned *spawned)
{
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int null_fd = -1;
	int error = open_pipes(pipes, &null_fd);
	int standard_fds[3] = { null_fd, pipes[0][1], pipes[1][1] };

	if (error == 0) {
		spawned->pid = fork_into(cgroup);
		if (spawned->pid == 0)
			exec_program(argv, standard_fds, pipes[2][1]);
		if (spawned->pid < 0)
			error = errno;
	}
	close_fds(&null_fd, 1);
	for (int i = 0; i < 3; i++)
		close_fds(&pipes[i][1], 1);
	for (int i = 0; i < 3 && error != 0; i++)
		close_fds(&pipes[i][0], 1);
	spawned->output_fds[0] = pipes[0][0];
	spawned->output_fds[1] = pipes[1][0];
	spawned->error_fd = pipes[2][0];
	return error;
}
