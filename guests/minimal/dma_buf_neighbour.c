// SPDX-License-Identifier: MIT
#include "dma_buf_maps.h"

#include "patience.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Faults pages in one by one: each fault takes the buffer's lock, and this process may be
 * preempted while it holds it.
 */
static void use(const struct source *source)
{
	char *memory = mmap(NULL, source->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, source->fd,
			    source->offset);

	if (memory == MAP_FAILED)
		return;
	for (size_t at = 0; at < source->bytes; at += PAGE_BYTES)
		*(volatile char *)(memory + at) = 1;
	munmap(memory, source->bytes);
}

pid_t neighbour_start(const struct maps *maps)
{
	pid_t pid = fork();

	if (pid < 0)
		workload_fail("start a neighbour");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	be_patient();
	for (size_t i = 0;; i++)
		use(&maps->sources[i % maps->source_count]);
}

void neighbour_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
