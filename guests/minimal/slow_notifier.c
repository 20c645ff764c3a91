// SPDX-License-Identifier: MIT
#include "slow_notifier.h"

#include "random.h"
#include "splat_mn.h"
#include "workload.h"

#include <fcntl.h>
#include <sys/ioctl.h>

static int slow_fd = -1;

void slow_notifier_register(void)
{
	/* Without an end op, so that a start that may not block may fail. */
	struct splat_mn_register request = { .kind = SPLAT_MN_HLIST };

	slow_fd = open(SPLAT_MN_DEVICE, O_RDWR | O_CLOEXEC);
	if (slow_fd >= 0 && ioctl(slow_fd, SPLAT_MN_IOC_REGISTER, &request) < 0)
		workload_fail("register a slow notifier");
}

void slow_notifier_hold(struct racer *racer)
{
	if (slow_fd >= 0)
		ioctl(slow_fd, SPLAT_MN_IOC_HOLD, 1 + random_below(&racer->random, SLOW_NOTIFIER_MS));
}
