// SPDX-License-Identifier: MIT
#include "ticks.h"

#include "workload.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void ignore(int number)
{
	(void)number;
}

void ticks_start(unsigned long every_ms)
{
	static _Thread_local bool started;
	struct sigaction action = { .sa_handler = ignore };
	struct timespec period = { .tv_sec = (time_t)(every_ms / 1000),
				   .tv_nsec = (long)(every_ms % 1000) * 1000000 };
	struct itimerspec every = { period, period };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	timer_t timer;

	if (started)
		return;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (sigaction(SIGUSR1, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
	    timer_settime(timer, 0, &every, NULL) < 0)
		workload_fail("start a timer");
	started = true;
}
