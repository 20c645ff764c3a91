// SPDX-License-Identifier: MIT
#include "agent.h"

#include "files.h"
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* How many milliseconds a virtio-serial port may take to appear after boot. */
#define PORT_PATIENCE_MS 10000
/* The longest wait for an event; it limits the delay if a wake-up is missed. */
#define IDLE_MS 50

static bool harden(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE) == 0 &&
	       prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 &&
	       write_file("/proc/self/oom_score_adj", "-1000");
}

static bool wait_for_port(struct port *port)
{
	static const struct timespec pause = { .tv_nsec = 20000000 };

	for (int waited_ms = 0; waited_ms < PORT_PATIENCE_MS; waited_ms += 20) {
		if (port_open(port, AGENT_PORT_NAME))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/*
 * Watches edge-triggered: a port without a host reports a hang-up all the time, and
 * level-triggered waiting would spin on it.
 */
static bool watch(const struct agent *agent, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLET };

	return epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool set_up(struct agent *agent)
{
	sigset_t children;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	signal(SIGPIPE, SIG_IGN);
	agent->reading.fd = -1;
	agent->signal_fd = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
	agent->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return agent->signal_fd >= 0 && agent->epoll_fd >= 0 &&
	       watch(agent, agent->signal_fd, EPOLLIN) &&
	       watch(agent, agent->port.fd, EPOLLIN | EPOLLOUT);
}

/* Drops all requests, which end together with the connection that they came by. */
static void drop_requests(struct agent *agent)
{
	if (agent->reading.fd >= 0)
		close(agent->reading.fd);
	agent->reading.fd = -1;
	if (agent->trial.running && !agent->trial.silent) {
		agent->trial.silent = true;
		trial_kill(&agent->trial);
	}
}

/*
 * Serves at most one line, and none while a "read" is under way or replies still have to be
 * sent.
 */
static bool serve_next(struct agent *agent)
{
	char *line;

	if (agent->reading.fd >= 0 || port_space(&agent->port) < 2 * PORT_REPLY_BYTES)
		return false;
	switch (port_next_line(&agent->port, &line)) {
	case PORT_LINE_NONE:
		return false;
	case PORT_LINE_TOO_LONG:
		reply_error(&agent->port, 0, E2BIG, "line too long");
		return true;
	case PORT_LINE_READY:
		/*
		 * An empty line is no request. A new host sends one to end a line that an
		 * earlier host began.
		 */
		if (line[0] != '\0')
			agent_serve(agent, line);
		return true;
	}
	return false;
}

/* Tries everything that may be able to go on. True if anything did. */
static bool step(struct agent *agent)
{
	struct signalfd_siginfo signals[8];
	bool was_connected = agent->port.connected;
	bool moved;

	while (read(agent->signal_fd, signals, sizeof(signals)) > 0)
		;
	moved = serve_next(agent);
	moved = reading_step(&agent->reading, &agent->port) || moved;
	moved = trial_step(&agent->trial, &agent->port) || moved;
	moved = port_send(&agent->port) || moved;
	moved = port_receive(&agent->port) || moved;
	if (was_connected && !agent->port.connected)
		drop_requests(agent);
	return moved;
}

static int wait_ms(const struct trial *trial)
{
	uint64_t now = monotonic_ns();

	if (!trial->running || trial->timed_out || trial->ended)
		return IDLE_MS;
	if (trial->deadline_ns <= now)
		return 0;
	if (trial->deadline_ns - now < IDLE_MS * 1000000ull)
		return (int)((trial->deadline_ns - now) / 1000000u) + 1;
	return IDLE_MS;
}

static int agent_main(int argc, char **argv)
{
	/* Static, so that its buffers are locked into memory before memory runs short. */
	static struct agent agent;
	struct epoll_event events[8];

	(void)argc;
	(void)argv;
	if (!harden()) {
		perror("agent: mlockall, subreaper or oom_score_adj");
		return 1;
	}
	if (!wait_for_port(&agent.port)) {
		perror("agent: virtio-serial port " AGENT_PORT_NAME);
		return 1;
	}
	if (!set_up(&agent)) {
		perror("agent: epoll");
		return 1;
	}
	for (;;) {
		while (step(&agent))
			;
		if (epoll_wait(agent.epoll_fd, events, 8, wait_ms(&agent.trial)) < 0 &&
		    errno != EINTR) {
			perror("agent: epoll_wait");
			return 1;
		}
	}
}

PROGRAM("agent", agent_main);
