// SPDX-License-Identifier: MIT
#include "signals.h"

#include "random.h"
#include "workload.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_PERIOD_MS 50
#define RESTARTING SIGUSR1
#define INTERRUPTING SIGUSR2
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* State of this thread; only the thread and its own signal handler touch it. */
static _Thread_local struct {
	const volatile uint64_t *progress;
	uint64_t seen;
	unsigned long wanted_ms, period_ms;
	timer_t timer;
	volatile bool is_on;
} signals;

static void set_period(unsigned long period_ms)
{
	struct timespec period = { (time_t)(period_ms / 1000), (long)(period_ms % 1000) * 1000000 };
	struct itimerspec setting = { period, period };

	timer_settime(signals.timer, 0, &setting, NULL);
}

static void take_signal(int number)
{
	int saved = errno;

	(void)number;
	if (signals.is_on && *signals.progress == signals.seen)
		set_period(signals.period_ms *= 2);
	else if (signals.is_on && signals.period_ms > signals.wanted_ms)
		set_period(signals.period_ms /= 2);
	signals.seen = *signals.progress;
	errno = saved;
}

void signals_start(const uint64_t *progress, uint64_t random, bool restarts)
{
	int number = restarts ? RESTARTING : INTERRUPTING;
	struct sigaction action = { .sa_handler = take_signal, .sa_flags = restarts ? SA_RESTART : 0 };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number };

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	signals.progress = progress;
	signals.seen = UINT64_MAX;
	signals.wanted_ms = signals.period_ms = 1 + random_below(&random, LONGEST_PERIOD_MS);
	if (sigaction(number, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &signals.timer) < 0)
		workload_fail("start the signals");
	signals.is_on = true;
	set_period(signals.period_ms);
}

void signals_stop(void)
{
	signals.is_on = false;
	timer_delete(signals.timer);
}
