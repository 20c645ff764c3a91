/* SPDX-License-Identifier: MIT */
#ifndef SPLAT_SPAWN_H
#define SPLAT_SPAWN_H

#include <sys/types.h>

struct spawned {
	pid_t pid;
	int output_fds[2];	/* non-blocking read ends of stdout and stderr */
	int error_fd;		/* carries the errno of a failed exec, as an int */
	int words_fd;		/* takes the words of a program that stands by; -1 else */
};

/* The descriptors of the program "stand-by": the words that it must run, and error_fd. */
#define SPAWN_WORDS_FD 3
#define SPAWN_ERROR_FD 4

/*
 * Starts argv (NULL-terminated, searched for in PATH) inside a cgroup, in a session of its own,
 * with /dev/null as stdin, default signals and an oom_score_adj of 0. Allocates nothing.
 * Returns 0 or an errno value.
 */
int spawn(const char *cgroup, char **argv, struct spawned *spawned);

/*
 * Does as spawn() does, but the program waits until spawn_go() names it. Returns 0 or an errno
 * value.
 */
int spawn_stand_by(const char *cgroup, struct spawned *spawned);

/*
 * Lets the program that stands by be argv. Returns 0 or an errno value: EPIPE when it has died,
 * E2BIG when the words do not fit into a line of the wire.
 */
int spawn_go(struct spawned *spawned, char **argv);

/* Closes what the host's end of a program still has open. */
void spawn_close(struct spawned *spawned);

/* In the program itself: says by its error_fd why exec failed. */
void spawn_report_error(int error_fd);

#endif
