// SPDX-License-Identifier: MIT
#include "trial.h"

#include "agent.h"
#include "cgroup.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_CGROUP TRIAL_CGROUP "/program"
/* A host that takes nothing for so long is not reading; one that is slow only slows down. */
#define STALL_NS 1000000000u

static int make_cgroup(void)
{
	cgroup_remove(TRIAL_CGROUP);
	if (mkdir(TRIAL_CGROUP, 0755) < 0 ||
	    !write_file(TRIAL_CGROUP "/cgroup.subtree_control", "+memory") ||
	    mkdir(PROGRAM_CGROUP, 0755) < 0)
		return errno;
	return 0;
}

/* What the agent has and a program must not inherit: its OOM immunity, its signal mask. */
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

/* Like fork(), but born inside the cgroup, so that no kill of it can come too early. */
static pid_t fork_into_cgroup(void)
{
	struct clone_args arguments = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int cgroup = open(PROGRAM_CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

/* Pipes 0 and 1 carry stdout and stderr, pipe 2 the errno of exec; [0] reads, [1] writes. */
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

static int spawn(struct trial *trial, int epoll_fd, char **argv)
{
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int null_fd = -1;
	int error = open_pipes(pipes, &null_fd);
	int standard_fds[3] = { null_fd, pipes[0][1], pipes[1][1] };

	if (error == 0) {
		trial->program = fork_into_cgroup();
		if (trial->program == 0)
			exec_program(argv, standard_fds, pipes[2][1]);
		if (trial->program < 0)
			error = errno;
	}
	close_fds(&null_fd, 1);
	for (int i = 0; i < 3; i++)
		close_fds(&pipes[i][1], 1);
	if (error != 0) {
		for (int i = 0; i < 3; i++)
			close_fds(&pipes[i][0], 1);
		return error;
	}
	for (int i = 0; i < 2; i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLET };

		trial->output_fds[i] = pipes[i][0];
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pipes[i][0], &event);
	}
	trial->error_fd = pipes[2][0];
	return 0;
}

int trial_start(struct trial *trial, int epoll_fd, uint64_t id, uint64_t timeout_ms, char **argv)
{
	int error;

	if (trial->running)
		return EBUSY;
	error = make_cgroup();
	if (error != 0)
		return error;
	memset(trial, 0, sizeof(*trial));
	trial->id = id;
	trial->start_ns = monotonic_ns();
	trial->deadline_ns = trial->start_ns + timeout_ms * 1000000u;
	error = spawn(trial, epoll_fd, argv);
	trial->running = error == 0;
	return error;
}

void trial_kill(void)
{
	write_file(TRIAL_CGROUP "/cgroup.kill", "1");
}

/*
 * The agent is the subreaper of all that a program leaves behind, so "no child left"
 * means that the run is over. Returns whether that is so.
 */
static bool reap(struct trial *trial)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == trial->program) {
			trial->ended = true;
			trial->wait_status = status;
			trial->end_ns = monotonic_ns();
			trial_kill();
		}
		if (pid <= 0)
			return pid < 0 && errno == ECHILD;
	}
}

/*
 * While the host reads, a full buffer holds the program back; once it has stopped reading,
 * output is read all the same, dropped and counted. True if anything was read.
 */
static bool forward_output(struct trial *trial, struct port *port, int stream)
{
	static char chunk[WIRE_CHUNK_MAX];
	static const char *const kinds[2] = { "out 1", "out 2" };
	bool fits = port_space(port) >= PORT_CHUNK_BYTES + PORT_REPLY_BYTES;
	ssize_t length;

	if (trial->output_fds[stream] < 0)
		return false;
	if (!fits && !trial->silent && monotonic_ns() - port->sent_ns < STALL_NS)
		return false;
	length = read(trial->output_fds[stream], chunk, sizeof(chunk));
	if (length < 0)
		return false;
	if (length == 0)
		close_fds(&trial->output_fds[stream], 1);
	else if (trial->silent || !fits)
		trial->lost += (uint64_t)length;
	else
		port_print_chunk(port, trial->id, kinds[stream], chunk, (size_t)length);
	return true;
}

static bool is_drained(const struct trial *trial)
{
	return trial->output_fds[0] < 0 && trial->output_fds[1] < 0;
}

static void report_lost(const struct trial *trial, struct port *port)
{
	if (trial->lost == 0 || trial->silent)
		return;
	port_print(port, "%" PRIu64 " out-lost %" PRIu64, trial->id, trial->lost);
}

static void reply_end(const struct trial *trial, struct port *port)
{
	uint64_t duration_ms = (trial->end_ns - trial->start_ns) / 1000000u;
	int exec_error;

	if (read(trial->error_fd, &exec_error, sizeof(exec_error)) == sizeof(exec_error))
		reply_error(port, trial->id, exec_error, "exec");
	else if (trial->timed_out)
		port_print(port, "%" PRIu64 " ok timeout %" PRIu64, trial->id, duration_ms);
	else if (WIFSIGNALED(trial->wait_status))
		port_print(port, "%" PRIu64 " ok signal %d %" PRIu64, trial->id,
			   WTERMSIG(trial->wait_status), duration_ms);
	else
		port_print(port, "%" PRIu64 " ok exit %d %" PRIu64, trial->id,
			   WEXITSTATUS(trial->wait_status), duration_ms);
}

bool trial_step(struct trial *trial, struct port *port)
{
	bool reaped_all, moved;

	if (!trial->running)
		return false;
	if (!trial->timed_out && !trial->ended && monotonic_ns() >= trial->deadline_ns) {
		trial->timed_out = true;
		trial_kill();
	}
	/* In this order: what was written before the last writer died is still in the pipe. */
	reaped_all = reap(trial);
	moved = forward_output(trial, port, 0);
	moved = forward_output(trial, port, 1) || moved;
	if (port_space(port) < 2 * PORT_REPLY_BYTES)
		return moved;
	if (moved || !trial->ended || !reaped_all || !is_drained(trial))
		return moved;

	report_lost(trial, port);
	if (!trial->silent)
		reply_end(trial, port);
	close_fds(trial->output_fds, 2);
	close_fds(&trial->error_fd, 1);
	cgroup_remove(TRIAL_CGROUP);
	trial->running = false;
	return true;
}
