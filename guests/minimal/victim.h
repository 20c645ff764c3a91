/* SPDX-License-Identifier: MIT */
/*
 * A process that exists to be killed. A supervisor that traces it holds it at its exit stop
 * (PTRACE_EVENT_EXIT): it is dying, but its address space and its notifiers are all still
 * there, and stay as long as the supervisor wants.
 */
#ifndef SPLAT_VICTIM_H
#define SPLAT_VICTIM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the victim does. It exits with 1 if it is still alive after that. */
struct victim_life {
	const char *cgroup;			/* the cgroup to live in; NULL: that of its parent */
	bool preferred;				/* the OOM killer takes it before anyone else */
	void (*prepare)(const void *context);	/* called before the victim counts as started */
	void (*provoke)(const void *context);	/* called after victim_release(); may be NULL */
	const void *context;
};

struct victim {
	pid_t pid;
	int pidfd;
	int go_fd;
};

/* Starts a victim and waits until it is prepared. Exits on failure. */
void victim_start(struct victim *victim, const struct victim_life *life);

/* Traces the victim, so that its death stops at the exit stop. */
void victim_trace(const struct victim *victim);

/* Lets the victim go on to what provokes its death. */
void victim_release(struct victim *victim);

void victim_kill(const struct victim *victim);

/*
 * Pins the victim to the caller's CPU at the lowest priority, so that after a kill it dies only
 * as fast as the caller lets it.
 */
void victim_hinder(const struct victim *victim);

/* Waits until a traced victim is at its exit stop. Exits if the victim got past it. */
void victim_await_exit_stop(const struct victim *victim);

/*
 * Waits at most timeout_ms until the OOM reaper is done with a victim at its exit stop, whether
 * it reaped it or gave up. The victim then no longer counts for the OOM killer (MMF_OOM_SKIP),
 * which the kernel shows as an oom_score of 0. Exits if the reaper does not come.
 */
void victim_await_reaper(const struct victim *victim, unsigned long timeout_ms);

/* Lets a stopped victim die, and reaps it. */
void victim_bury(struct victim *victim);

#endif
