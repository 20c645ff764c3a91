/* SPDX-License-Identifier: MIT */
/*
 * A "run" request: one program in a fresh cgroup v2 of its own, until nothing of it is left.
 *
 *     /sys/fs/cgroup/trial            memory controller on; killed as a whole
 *     /sys/fs/cgroup/trial/program    the program; it may make siblings of this one
 */
#ifndef SPLAT_TRIAL_H
#define SPLAT_TRIAL_H

#include "port.h"
#include "spawn.h"

#include <stdbool.h>
#include <stdint.h>

#define TRIAL_CGROUP "/sys/fs/cgroup/trial"

struct trial {
	bool running;
	bool silent;    /* the host has gone, so no reply is sent */
	bool ended;     /* the program has ended; what it left behind may still run */
	bool timed_out;
	bool some_left; /* what was killed may have started processes that are still to be killed */
	uint64_t id;
	struct spawned program; /* an output_fd is -1 after its end */
	int wait_status;
	uint64_t lost;     /* bytes of output dropped */
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t deadline_ns;
	bool stands_by; /* `program` waits until trial_start() names it */
};

/*
 * Makes the cgroup and a program that stands by in it, which the next trial_start() uses, so that
 * a copy of the guest starts its program sooner. Returns 0 or an errno value: EBUSY while a run
 * goes on.
 */
int trial_stand_by(struct trial *trial);

/*
 * Starts argv (NULL-terminated) with a timeout; epoll_fd then watches its output. Returns 0 or
 * an errno value: EBUSY while another run goes on.
 */
int trial_start(struct trial *trial, int epoll_fd, uint64_t id, uint64_t timeout_ms, char **argv);

/*
 * Reaps, forwards output, enforces the deadline, and replies at the end. True if it did
 * anything.
 */
bool trial_step(struct trial *trial, struct port *port);

/* Kills everything in the cgroup; trial_step() then ends the run. */
void trial_kill(struct trial *trial);

#endif
