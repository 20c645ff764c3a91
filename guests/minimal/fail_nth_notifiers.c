// SPDX-License-Identifier: MIT
/* Calls of users of mmu notifiers, for fail-nth: the seeded-bug driver and the HMM test driver. */
#include "fail_nth.h"
#include "hmm_abi.h"
#include "splat_mn.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE 4096ul
#define PAGES 16ul
#define ACCESSING "/dev/hmm_dmirror0"
#define MIGRATING "/dev/hmm_dmirror1"

static void touch(struct stage *stage)
{
	for (size_t i = 0; i < PAGES; i++)
		*(volatile char *)(stage->memory + i * PAGE) = 1;
}

static bool have_driver(struct stage *stage)
{
	stage->fds[0] = open(SPLAT_MN_DEVICE, O_RDWR | O_CLOEXEC);
	return stage->fds[0] >= 0;
}

static void open_driver(struct stage *stage)
{
	stage->fds[1] = open(SPLAT_MN_DEVICE, O_RDWR | O_CLOEXEC);
}

static void add(struct stage *stage, uint32_t kind)
{
	struct splat_mn_register request = {
		.start = (uintptr_t)stage->memory,
		.length = PAGES * PAGE,
		.kind = kind,
		.flags = kind == SPLAT_MN_HLIST ? SPLAT_MN_WITH_END : 0,
	};

	ioctl(stage->fds[0], SPLAT_MN_IOC_REGISTER, &request);
}

static void add_hlist(struct stage *stage)
{
	add(stage, SPLAT_MN_HLIST);
}

static void add_interval(struct stage *stage)
{
	add(stage, SPLAT_MN_INTERVAL);
}

static bool have_device(struct stage *stage, const char *path)
{
	stage->fds[0] = open(path, O_RDWR | O_CLOEXEC);
	if (stage->fds[0] < 0)
		return false;
	touch(stage);
	return true;
}

static bool have_accessing(struct stage *stage)
{
	return have_device(stage, ACCESSING);
}

static bool have_migrating(struct stage *stage)
{
	return have_device(stage, MIGRATING);
}

static void command(struct stage *stage, unsigned long number)
{
	struct hmm_request request = {
		.address = (uintptr_t)stage->memory,
		.buffer = (uintptr_t)stage->memory + (2ul << 20),
		.pages = PAGES,
	};

	ioctl(stage->fds[0], number, &request);
}

static bool have_migrated(struct stage *stage)
{
	if (!have_migrating(stage))
		return false;
	command(stage, HMM_MIGRATE_TO_DEVICE);
	return true;
}

static void open_mirror(struct stage *stage)
{
	stage->fds[1] = open(ACCESSING, O_RDWR | O_CLOEXEC);
}

static void read_mirror(struct stage *stage)
{
	command(stage, HMM_READ);
}

static void write_mirror(struct stage *stage)
{
	command(stage, HMM_WRITE);
}

static void migrate(struct stage *stage)
{
	command(stage, HMM_MIGRATE_TO_DEVICE);
}

static void migrate_back(struct stage *stage)
{
	command(stage, HMM_MIGRATE_TO_SYSTEM);
}

static void snapshot(struct stage *stage)
{
	command(stage, HMM_SNAPSHOT);
}

static void exclusive(struct stage *stage)
{
	command(stage, HMM_EXCLUSIVE);
	touch(stage);
}

static const struct failing_call calls[] = {
	{ "open-driver", have_driver, open_driver, NULL },
	{ "add-hlist", have_driver, add_hlist, NULL },
	{ "add-interval", have_driver, add_interval, NULL },
	{ "open-mirror", have_accessing, open_mirror, NULL },
	{ "read-mirror", have_accessing, read_mirror, NULL },
	{ "write-mirror", have_accessing, write_mirror, NULL },
	{ "snapshot-mirror", have_accessing, snapshot, NULL },
	{ "exclusive-mirror", have_accessing, exclusive, NULL },
	{ "migrate", have_migrating, migrate, NULL },
	{ "migrate-back", have_migrated, migrate_back, NULL },
	{ "fault-back", have_migrated, touch, NULL },
};

const struct failing_calls failing_notifier_calls = { calls, sizeof(calls) / sizeof(calls[0]),
						    sizeof(calls) / sizeof(calls[0]) };
