// SPDX-License-Identifier: MIT
#include "trial.h"

#include "agent.h"
#include "cgroup.h"
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_CGROUP TRIAL_CGROUP "/program"
/* A host that takes no byte for so long does not read; a slow host only slows the program down. */
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

int trial_stand_by(struct trial *trial)
{
	int error;

	if (trial->running)
		return EBUSY;
	if (trial->stands_by)
		return 0;
	error = make_cgroup();
	if (error == 0)
		error = spawn_stand_by(PROGRAM_CGROUP, &trial->program);
	trial->stands_by = error == 0;
	return error;
}

/* Removes a program that stands by no longer. */
static void dismiss(struct spawned *program)
{
	spawn_close(program);
	kill(program->pid, SIGKILL);
	waitpid(program->pid, NULL, 0);
}

/* Lets the program that stands by be argv, or else starts argv in a new cgroup. */
static int start_program(struct trial *trial, char **argv)
{
	int error;

	if (trial->stands_by) {
		trial->stands_by = false;
		if (spawn_go(&trial->program, argv) == 0)
			return 0;
		dismiss(&trial->program);
	}
	error = make_cgroup();
	return error == 0 ? spawn(PROGRAM_CGROUP, argv, &trial->program) : error;
}

int trial_start(struct trial *trial, int epoll_fd, uint64_t id, uint64_t timeout_ms, char **argv)
{
	uint64_t start_ns = monotonic_ns();
	int error;

	if (trial->running)
		return EBUSY;
	error = start_program(trial, argv);
	if (error != 0)
		return error;
	*trial = (struct trial){
		.running = true,
		.id = id,
		.program = trial->program,
		.start_ns = start_ns,
		.deadline_ns = start_ns + timeout_ms * 1000000u,
	};
	for (int i = 0; i < 2; i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLET };

		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, trial->program.output_fds[i], &event);
	}
	return 0;
}

void trial_kill(struct trial *trial)
{
	trial->some_left = !cgroup_kill(TRIAL_CGROUP);
}

/*
 * Reaps children. The agent is the subreaper of everything that a program leaves behind, so "no
 * child left" means that the run is over. Returns whether that is so.
 */
static bool reap(struct trial *trial)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == trial->program.pid) {
			trial->ended = true;
			trial->wait_status = status;
			trial->end_ns = monotonic_ns();
			trial_kill(trial);
		}
		if (pid <= 0)
			return pid < 0 && errno == ECHILD;
	}
}

static void close_output(int *fd)
{
	close(*fd);
	*fd = -1;
}

/*
 * Forwards output. While the host reads, a full buffer makes the program wait. Once the host
 * has stopped reading, output is still read, but dropped and counted. True if anything was
 * read.
 */
static bool forward_output(struct trial *trial, struct port *port, int stream)
{
	static char chunk[WIRE_CHUNK_MAX];
	static const char *const kinds[2] = { "out 1", "out 2" };
	bool fits = port_space(port) >= PORT_CHUNK_BYTES + PORT_REPLY_BYTES;
	int *fd = &trial->program.output_fds[stream];
	ssize_t length;

	if (*fd < 0)
		return false;
	if (!fits && !trial->silent && monotonic_ns() - port->sent_ns < STALL_NS)
		return false;
	length = read(*fd, chunk, sizeof(chunk));
	if (length < 0)
		return false;
	if (length == 0)
		close_output(fd);
	else if (trial->silent || !fits)
		trial->lost += (uint64_t)length;
	else
		port_print_chunk(port, trial->id, kinds[stream], chunk, (size_t)length);
	return true;
}

static bool is_drained(const struct trial *trial)
{
	return trial->program.output_fds[0] < 0 && trial->program.output_fds[1] < 0;
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

	if (read(trial->program.error_fd, &exec_error, sizeof(exec_error)) == sizeof(exec_error))
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
		trial_kill(trial);
	}
	/*
	 * The order matters: what was written before the last writer ended is still in the
	 * pipe.
	 */
	reaped_all = reap(trial);
	/* Each process that was killed ends with a SIGCHLD, which leads here. */
	if (trial->some_left && !reaped_all)
		trial_kill(trial);
	moved = forward_output(trial, port, 0);
	moved = forward_output(trial, port, 1) || moved;
	if (port_space(port) < 2 * PORT_REPLY_BYTES)
		return moved;
	if (moved || !trial->ended || !reaped_all || !is_drained(trial))
		return moved;

	report_lost(trial, port);
	if (!trial->silent)
		reply_end(trial, port);
	close(trial->program.error_fd);
	cgroup_remove(TRIAL_CGROUP);
	trial->running = false;
	return true;
}
