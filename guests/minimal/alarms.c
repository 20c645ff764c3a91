// SPDX-License-Identifier: MIT
#include "alarms.h"

#include "workload.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc 2.36 has no name for this member of the union (timer_create(2)). */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void ignore_alarm(int signal_number)
{
	(void)signal_number;
}

void alarms_start(struct alarms *alarms, unsigned long period_us)
{
	struct sigaction action = { .sa_handler = ignore_alarm };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	struct timespec period = { .tv_sec = (time_t)(period_us / 1000000),
				   .tv_nsec = (long)(period_us % 1000000) * 1000 };
	struct itimerspec times = { .it_interval = period, .it_value = period };

	event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
	if (sigaction(SIGALRM, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &alarms->timer) < 0 ||
	    timer_settime(alarms->timer, 0, &times, NULL) < 0)
		workload_fail("start alarms");
}

void alarms_stop(struct alarms *alarms)
{
	timer_delete(alarms->timer);
}
