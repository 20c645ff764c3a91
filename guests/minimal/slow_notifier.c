// SPDX-License-Identifier: MIT
#include "slow_notifier.h"

#include "notifiers.h"
#include "random.h"

#include <fcntl.h>
#include <sys/ioctl.h>

static int slow_fd = -1;

void slow_notifier_register(void)
{
	slow_fd = open(SPLAT_MN_DEVICE, O_RDWR | O_CLOEXEC);
	/* Without an end op, so that a start that may not block may fail. */
	if (slow_fd >= 0)
		notifiers_add_hlist(slow_fd, 0);
}

void slow_notifier_hold(struct racer *racer)
{
	if (slow_fd >= 0)
		ioctl(slow_fd, SPLAT_MN_IOC_HOLD, 1 + random_below(&racer->random, SLOW_NOTIFIER_MS));
}
