// SPDX-License-Identifier: MIT
/*
 * reaper: the OOM reaper's other ends. Side by side are killed for their memory
 * - one with a notifier that refuses at first: the reaper comes again, and whoever else was asked is
 *   told that it is over; that one is unregistered while the victim is still held;
 * - one with a process that shares its address space, and is killed with it;
 * - two of a cgroup that is killed as a whole (memory.oom.group);
 * - one that owns a virtual machine and a mirror of the HMM driver at once, and whose memory slots
 *   change while it dies.
 */
#include "cgroup.h"
#include "doomed.h"
#include "hmm_abi.h"
#include "memory.h"
#include "notifiers.h"
#include "program.h"
#include "virtual_machine.h"
#include "workload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MEMORY_BYTES MIB
#define LIMIT_KIB (6ul << 10)
#define APPETITE (2 * LIMIT_KIB * 1024)
#define REFUSALS 3
#define GROUP 2
/* The refused, the sharer, the owner, and the group. */
#define KILLS (3 + GROUP)
#define STACK_BYTES (64ul << 10)

struct cast {
	int refusing_fd;   /* its notifier has no end op, and refuses */
	int accepting_fd;  /* its notifier has one, and must be told */
	bool has_machine, has_mirror;
	struct doomed refused, sharer, group[GROUP], owner;
};

static void eat(const void *context)
{
	(void)context;
	eat_memory(APPETITE);
}

static void add(int fd, uint32_t flags)
{
	struct splat_mn_register request = { .kind = SPLAT_MN_HLIST, .flags = flags };

	if (ioctl(fd, SPLAT_MN_IOC_REGISTER, &request) < 0)
		workload_fail("register a notifier");
}

static void prepare_refused(const void *context)
{
	const struct cast *cast = context;
	char *memory = map_small_pages(MEMORY_BYTES);

	add(cast->accepting_fd, SPLAT_MN_WITH_END);
	add(cast->refusing_fd, 0);
	touch_pages(memory, MEMORY_BYTES);
}

static int wait_for_death(void *nothing)
{
	(void)nothing;
	for (;;)
		pause();
	return 0;
}

static void prepare_sharer(const void *context)
{
	char *memory = map_small_pages(MEMORY_BYTES);
	char *stack = map_small_pages(STACK_BYTES);

	(void)context;
	notifiers_add(notifiers_open(), SPLAT_MN_HLIST, memory, MEMORY_BYTES);
	touch_pages(memory, MEMORY_BYTES);
	if (clone(wait_for_death, stack + STACK_BYTES, CLONE_VM | SIGCHLD, NULL) < 0)
		workload_fail("start a process that shares memory");
}

static void prepare_member(const void *context)
{
	(void)context;
	touch_pages(map_small_pages(MEMORY_BYTES), MEMORY_BYTES);
}

static struct virtual_machine own_machine;
static char *own_memory;

static void mirror_memory(void)
{
	struct hmm_request request = {
		.address = (uintptr_t)own_memory,
		.buffer = (uintptr_t)map_small_pages(MEMORY_BYTES),
		.pages = MEMORY_BYTES / PAGE_BYTES,
	};
	int device = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);

	if (device < 0 || ioctl(device, HMM_READ, &request) < 0)
		workload_fail("read through a device");
}

/* The device may not touch what it has not seen yet, so the machine has written every page before. */
static void prepare_owner(const void *context)
{
	const struct cast *cast = context;

	own_memory = map_small_pages(MEMORY_BYTES);
	notifiers_add(notifiers_open(), SPLAT_MN_INTERVAL, own_memory, MEMORY_BYTES);
	touch_pages(own_memory, MEMORY_BYTES);
	if (cast->has_machine) {
		machine_create(&own_machine, &machine_plain);
		machine_set_memory(&own_machine, own_memory, MEMORY_BYTES);
		machine_touch(&own_machine, 0, MEMORY_BYTES, MEMORY_BYTES / PAGE_BYTES);
	}
	if (cast->has_mirror)
		mirror_memory();
}

static void *change_slots(void *nothing)
{
	(void)nothing;
	for (size_t length = PAGE_BYTES;; length = length % MEMORY_BYTES + PAGE_BYTES) {
		machine_set_memory(&own_machine, own_memory, 0);
		machine_set_memory(&own_machine, own_memory, length);
	}
	return NULL;
}

static void provoke_owner(const void *context)
{
	const struct cast *cast = context;
	pthread_t thread;

	if (cast->has_machine)
		pthread_create(&thread, NULL, change_slots, NULL);
	eat_memory(APPETITE);
}

static void start(struct doomed *doomed, const char *name, const struct cast *cast,
		  void (*prepare)(const void *), void (*provoke)(const void *))
{
	struct victim_life life = { .prepare = prepare, .provoke = provoke, .context = cast };

	doomed_start(doomed, name, LIMIT_KIB, &life);
}

/* Each member of the group in turn outlives the first that dies no longer than the kernel takes. */
static void start_group(struct cast *cast)
{
	struct victim_life life = { .prepare = prepare_member, .provoke = eat, .context = cast };

	doomed_start(&cast->group[0], "group", 2 * LIMIT_KIB, &life);
	if (!cgroup_write(cast->group[0].cgroup, "memory.oom.group", "1"))
		workload_fail("make %s a group", cast->group[0].cgroup);
	life.cgroup = cast->group[0].cgroup;
	life.provoke = NULL;
	cast->group[1] = cast->group[0];
	victim_start(&cast->group[1].victim, &life);
	victim_trace(&cast->group[1].victim);
}

static int open_armed(enum splat_mn_mode mode)
{
	struct splat_mn_arm arm = { .mode = mode, .refusals = REFUSALS };
	int fd = notifiers_open();

	if (ioctl(fd, SPLAT_MN_IOC_ARM, &arm) < 0)
		workload_fail("arm mode %d", mode);
	return fd;
}

static void open_cast(struct cast *cast)
{
	cast->refusing_fd = open_armed(SPLAT_MN_REFUSE);
	cast->accepting_fd = open_armed(SPLAT_MN_WELL_BEHAVED);
	cast->has_machine = machine_is_there();
	cast->has_mirror = access("/dev/hmm_dmirror0", R_OK | W_OK) == 0;
}

static void close_cast(struct cast *cast)
{
	close(cast->refusing_fd);
	close(cast->accepting_fd);
}

static void kill_all(struct cast *cast, const struct workload *workload)
{
	unsigned long patience = workload->reap_timeout_ms;

	start(&cast->refused, "refused", cast, prepare_refused, eat);
	start(&cast->sharer, "sharer", cast, prepare_sharer, eat);
	start(&cast->owner, "owner", cast, prepare_owner, provoke_owner);
	start_group(cast);
	doomed_release(&cast->refused);
	doomed_release(&cast->sharer);
	doomed_release(&cast->owner);
	doomed_release(&cast->group[0]);

	doomed_await(&cast->refused, patience);
	/* While the victim still has its address space: the driver compares starts and ends. */
	notifiers_remove(cast->accepting_fd, 1);
	doomed_bury(&cast->refused);
	doomed_finish(&cast->sharer, patience);
	doomed_finish(&cast->owner, patience);
	victim_await_exit_stop(&cast->group[1].victim);
	victim_bury(&cast->group[1].victim);
	doomed_finish(&cast->group[0], patience);
}

static int reaper_main(int argc, char **argv)
{
	struct workload workload = { .name = "reaper",
				     .duration_ms = 1000,
				     .memory_mib = 64,
				     .reap_timeout_ms = 30000 };
	static struct cast cast;
	uint64_t kills = 0;

	workload_start(&workload, argc, argv);
	do {
		open_cast(&cast);
		kill_all(&cast, &workload);
		close_cast(&cast);
		kills += KILLS;
	} while (workload_time_is_left(&workload));
	printf("done kills %" PRIu64 "%s%s\n", kills, cast.has_machine ? "" : ", no KVM",
	       cast.has_mirror ? "" : ", no test_hmm");
	return 0;
}

PROGRAM("reaper", reaper_main);
