// SPDX-License-Identifier: MIT
#include "zram.h"

#include "files.h"
#include "swap.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/zram0"
#define SYSFS "/sys/block/zram0/"

static bool size_device(uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	return write_file(SYSFS "disksize", text);
}

bool zram_swap_on(struct zram *zram, uint64_t bytes)
{
	*zram = (struct zram){ .bytes = bytes };
	if (access(SYSFS "disksize", F_OK) < 0)
		return false;
	if (!size_device(bytes) || !swap_enable_first(DEVICE))
		workload_fail("swap to " DEVICE);
	zram->is_on = true;
	return true;
}

/* The device stays open for a moment after swapoff(2). */
static void reset(void)
{
	for (int tries = 0; !write_file(SYSFS "reset", "1"); tries++) {
		if (errno != EBUSY || tries == 100)
			workload_fail("reset " DEVICE);
		pause_ms(1);
	}
}

void zram_swap_off(struct zram *zram)
{
	if (!zram->is_on || swapoff(DEVICE) < 0)
		return;
	zram->is_on = false;
	reset();
}

static void end_child(int number)
{
	(void)number;
}

/* Runs in a child, so that its signal reaches no other process. */
static void switch_off_until_alarm(unsigned alarm_ms)
{
	struct itimerval timer = { .it_value = { 0, (suseconds_t)alarm_ms * 1000 } };
	struct sigaction action = { .sa_handler = end_child };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	_exit(swapoff(DEVICE) == 0 ? 0 : 1);
}

void zram_swap_renew(struct zram *zram, unsigned alarm_ms)
{
	int status = 0;
	pid_t pid;

	if (!zram->is_on)
		return;
	pid = fork();
	if (pid == 0)
		switch_off_until_alarm(alarm_ms);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return;
	reset();
	if (!size_device(zram->bytes) || !swap_enable_first(DEVICE))
		workload_fail("swap to " DEVICE " again");
}
