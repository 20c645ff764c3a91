// SPDX-License-Identifier: MIT
#include "victim.h"

#include "cgroup.h"
#include "files.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define IS_EXIT_STOP(status) ((status) >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))

_Noreturn static void live(const struct victim_life *life, int ready_fd, int go_fd)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (life->cgroup && !cgroup_write(life->cgroup, "cgroup.procs", "0"))
		workload_fail("enter %s", life->cgroup);
	if (life->preferred && !write_file("/proc/self/oom_score_adj", "1000"))
		workload_fail("set oom_score_adj");
	life->prepare(life->context);
	if (!write_all(ready_fd, "r", 1))
		workload_fail("say ready");
	close(ready_fd);

	/*
	 * The signal to go on is a byte, not the end of the pipe, because victims that are
	 * started later hold the pipe open, too.
	 */
	if (read(go_fd, &byte, 1) == 1 && life->provoke)
		life->provoke(life->context);
	_exit(1);
}

void victim_start(struct victim *victim, const struct victim_life *life)
{
	int ready[2], go[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		workload_fail("pipe");
	victim->pid = fork();
	if (victim->pid < 0)
		workload_fail("fork a victim");
	if (victim->pid == 0) {
		close(ready[0]);
		close(go[1]);
		live(life, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	victim->go_fd = go[1];
	if (read(ready[0], &byte, 1) != 1) {
		errno = 0;
		workload_fail("a victim ended before it was ready");
	}
	close(ready[0]);
	victim->pidfd = (int)syscall(SYS_pidfd_open, victim->pid, 0);
	if (victim->pidfd < 0)
		workload_fail("pidfd_open");
}

void victim_trace(const struct victim *victim)
{
	if (ptrace(PTRACE_SEIZE, victim->pid, NULL, (void *)(long)PTRACE_O_TRACEEXIT) < 0)
		workload_fail("trace a victim");
}

void victim_release(struct victim *victim)
{
	if (!write_all(victim->go_fd, "g", 1))
		workload_fail("release a victim");
	close(victim->go_fd);
	victim->go_fd = -1;
}

void victim_kill(const struct victim *victim)
{
	if (syscall(SYS_pidfd_send_signal, victim->pidfd, SIGKILL, NULL, 0) < 0)
		workload_fail("kill a victim");
}

void victim_hinder(const struct victim *victim)
{
	struct sched_param none = { 0 };
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(victim->pid, sizeof(here), &here) < 0 ||
	    sched_setscheduler(victim->pid, SCHED_IDLE, &none) < 0)
		workload_fail("hinder a victim");
}

void victim_await_exit_stop(const struct victim *victim)
{
	int status;

	for (;;) {
		if (waitpid(victim->pid, &status, __WALL) < 0)
			workload_fail("wait for a victim");
		if (!WIFSTOPPED(status)) {
			errno = 0;
			workload_fail("a traced victim died without an exit stop");
		}
		if (IS_EXIT_STOP(status))
			return;
		ptrace(PTRACE_CONT, victim->pid, NULL, (void *)(long)WSTOPSIG(status));
	}
}

void victim_await_reaper(const struct victim *victim, unsigned long timeout_ms)
{
	uint64_t end_ns = monotonic_ns() + timeout_ms * 1000000u;
	char path[64], score[32];

	snprintf(path, sizeof(path), "/proc/%d/oom_score", victim->pid);
	do {
		errno = 0;
		if (monotonic_ns() > end_ns)
			workload_fail("the OOM reaper did not come for %lu ms", timeout_ms);
		pause_ms(5);
		if (!read_file(path, score, sizeof(score)))
			workload_fail("read %s", path);
	} while (strcmp(score, "0") != 0);
}

void victim_bury(struct victim *victim)
{
	if (victim->go_fd >= 0)
		close(victim->go_fd);
	close(victim->pidfd);
	/* ESRCH means that the victim is not traced, or left its stop by itself. */
	ptrace(PTRACE_CONT, victim->pid, NULL, NULL);
	while (waitpid(victim->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}
