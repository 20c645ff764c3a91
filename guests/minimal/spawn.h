/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_SPAWN_H
#define SPLAT_SPAWN_H

#include <sys/types.h>

struct spawned {
	pid_t pid;
	int output_fds[2];	/* non-blocking read ends of stdout and stderr */
	int error_fd;		/* carries the errno of a failed exec, as an int */
};

/*
 * Starts argv (NULL-terminated, searched for in PATH) inside a cgroup, in a session of its own,
 * with /dev/null as stdin, default signals and an oom_score_adj of 0. Allocates nothing.
 * Returns 0 or an errno value.
 */
int spawn(const char *cgroup, char **argv, struct spawned *spawned);

#endif
