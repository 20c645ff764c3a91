// SPDX-License-Identifier: MIT
#include "notifiers.h"

#include "files.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int notifiers_open(void)
{
	int fd = open(SPLAT_MN_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		workload_skip("no " SPLAT_MN_DEVICE ": the kernel lacks the seeded-bug driver");
	if (fd < 0)
		workload_fail("open " SPLAT_MN_DEVICE);
	return fd;
}

static uint32_t add(int fd, struct splat_mn_register request)
{
	if (ioctl(fd, SPLAT_MN_IOC_REGISTER, &request) < 0)
		workload_fail("register a notifier");
	return request.id;
}

uint32_t notifiers_add(int fd, enum splat_mn_kind kind, const void *start, size_t length)
{
	struct splat_mn_register request = {
		.start = (uintptr_t)start,
		.length = length,
		.kind = kind,
		.flags = kind == SPLAT_MN_HLIST ? SPLAT_MN_WITH_END : 0,
	};

	return add(fd, request);
}

uint32_t notifiers_add_hlist(int fd, uint32_t flags)
{
	return add(fd, (struct splat_mn_register){ .kind = SPLAT_MN_HLIST, .flags = flags });
}

void notifiers_remove(int fd, uint32_t id)
{
	if (ioctl(fd, SPLAT_MN_IOC_UNREGISTER, (unsigned long)id) < 0)
		workload_fail("unregister notifier %u", id);
}

uint64_t notifiers_count(const char *counter)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), SPLAT_MN_DEBUGFS "/%s", counter);
	if (!read_file(path, text, sizeof(text)))
		workload_fail("read %s", path);
	return strtoull(text, NULL, 10);
}
