// SPDX-License-Identifier: MIT
#include "controls_victim.h"

#include "cgroup.h"
#include "files.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Page by page: a huge page would take it past its limit in one fault. */
static void eat_memory(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		workload_fail("map %zu bytes", bytes);
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile char *)(memory + at) = 1;
}

_Noreturn static void live(const struct condemned_plan *plan, int ready_fd, int go_fd)
{
	const struct control *control = plan->control;
	struct mirror mirror;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (plan->cgroup && !cgroup_write(plan->cgroup, "cgroup.procs", "0"))
		workload_fail("enter %s", plan->cgroup);
	/* Before anyone else in the guest. */
	if (!write_file("/proc/self/oom_score_adj", "1000"))
		workload_fail("set oom_score_adj");
	mirror = mirror_begin(control);
	/* To the end of the list that reclaim takes from; EINVAL before Linux 5.4. */
	madvise(mirror.memory, control->bytes, MADV_COLD);
	if (!write_all(ready_fd, "r", 1))
		workload_fail("say ready");
	while (read(go_fd, &byte, 1) != 0)
		;
	eat_memory((size_t)sysconf(_SC_PHYS_PAGES) / 100 * plan->percent * PAGE_BYTES);
	pause_ms(control->timeout_ms);
	_exit(1);
}

struct victim condemn(const struct condemned_plan *plan)
{
	struct victim victim;
	int ready[2], go[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		workload_fail("pipe");
	victim.pid = fork();
	if (victim.pid < 0)
		workload_fail("fork a victim");
	if (victim.pid == 0) {
		close(ready[0]);
		close(go[1]);
		live(plan, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	victim.go_fd = go[1];
	errno = 0;
	if (read(ready[0], &byte, 1) != 1)
		workload_fail("a victim ended before it was ready");
	close(ready[0]);
	victim.pidfd = (int)syscall(SYS_pidfd_open, victim.pid, 0);
	if (victim.pidfd < 0)
		workload_fail("pidfd_open");
	victim_trace(&victim);
	return victim;
}

void await_exit_stop(const struct victim *victim)
{
	errno = 0;
	if (!victim_wait_exit_stop(victim))
		workload_fail("a traced victim died without an exit stop");
}
