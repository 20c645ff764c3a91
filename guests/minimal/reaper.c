// SPDX-License-Identifier: MIT
/*
 * reaper: the less usual ends of the OOM reaper. These victims are killed for their memory at
 * the same time:
 *
 * - one whose notifiers refuse at first. The reaper comes again, and every other notifier
 *   that was called gets its end, which the driver checks when it is unregistered while the
 *   victim is still held;
 * - one with a process that shares its address space, and is killed with it;
 * - two in a cgroup that is killed as a whole (memory.oom.group);
 * - one that owns a virtual machine and a mirror of the HMM driver at once, and whose memory
 *   slots change while it dies;
 * - one with a thread that holds its mmap_lock for writing and does not release it. The
 *   reaper gives up after ten tries, prints "unable to reap", and shows all locks.
 */
#include "cgroup.h"
#include "doomed.h"
#include "events.h"
#include "files.h"
#include "hmm_abi.h"
#include "memory.h"
#include "notifiers.h"
#include "program.h"
#include "virtual_machine.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_BYTES MIB
#define LIMIT_KIB (6ul << 10)
/*
 * A score of 1000 adds as many pages as a fixed share of all memory: more than the process that
 * outgrows the cgroup has, so these two are killed first.
 */
#define STUCK_LIMIT_KIB (8ul << 10)
#define APPETITE (2 * LIMIT_KIB * 1024)
#define REFUSALS 3
#define GROUP 2
#define STACK_BYTES (64ul << 10)
/* How many times oom_reap_task() in mm/oom_kill.c tries (MAX_OOM_REAP_RETRIES). */
#define REAPER_TRIES 10
#define HOLD_MS 60000ul

struct cast {
	int refusing_fd;   /* its notifier has no end op, and refuses */
	int accepting_fd;  /* its notifier has an end op, and must get its end */
	int stubborn_fd;   /* its start callback waits for a lock */
	bool has_machine, has_mirror;
	struct doomed refused, sharer, group[GROUP], owner;
	struct victim stuck;
	char stuck_cgroup[PATH_MAX];
};

static void eat(const void *context)
{
	(void)context;
	eat_memory(APPETITE);
}

static void prepare_refused(const void *context)
{
	const struct cast *cast = context;
	char *memory = map_small_pages(MEMORY_BYTES);

	notifiers_add_hlist(cast->accepting_fd, SPLAT_MN_WITH_END);
	notifiers_add_hlist(cast->refusing_fd, 0);
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

/*
 * The device must not touch pages that it has not seen yet, so the machine has written every
 * page before.
 */
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

static void prepare_stuck(const void *context)
{
	const struct cast *cast = context;

	own_memory = map_small_pages(MEMORY_BYTES);
	touch_pages(own_memory, MEMORY_BYTES);
	notifiers_add_hlist(cast->stubborn_fd, 0);
}

/*
 * mprotect() notifies while mmap_lock is held for writing, and the notifier waits for the
 * process that holds its lock.
 */
static void provoke_stuck(const void *context)
{
	(void)context;
	mprotect(own_memory, MEMORY_BYTES, PROT_READ);
}

static void start(struct doomed *doomed, const char *name, const struct cast *cast,
		  void (*prepare)(const void *), void (*provoke)(const void *))
{
	struct victim_life life = { .prepare = prepare, .provoke = provoke, .context = cast };

	doomed_start(doomed, name, LIMIT_KIB, &life);
}

/*
 * Makes a cgroup, and a victim in it, which the kernel kills when another process in the cgroup
 * takes too much.
 */
static void start_stuck(struct cast *cast)
{
	struct victim_life life = { .cgroup = cast->stuck_cgroup,
				    .preferred = true,
				    .prepare = prepare_stuck,
				    .provoke = provoke_stuck,
				    .context = cast };

	doomed_make_cgroup(cast->stuck_cgroup, "stuck", STUCK_LIMIT_KIB);
	victim_start(&cast->stuck, &life);
}

/*
 * Each other member of the group survives the first one only for as long as the kernel needs to
 * kill it.
 */
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

static pid_t in_child(const struct cast *cast, void (*work)(const struct cast *cast))
{
	pid_t pid = fork();

	if (pid < 0)
		workload_fail("fork");
	if (pid == 0) {
		work(cast);
		_exit(0);
	}
	return pid;
}

static void hold_lock(const struct cast *cast)
{
	ioctl(cast->stubborn_fd, SPLAT_MN_IOC_HOLD, HOLD_MS);
}

static void outgrow_stuck(const struct cast *cast)
{
	if (cgroup_write(cast->stuck_cgroup, "cgroup.procs", "0"))
		eat_memory(APPETITE);
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Returns how many times the reaper failed to take a lock, after the victim is dead. */
static uint64_t stick(struct cast *cast, const struct workload *workload)
{
	uint64_t end_ns = monotonic_ns() + workload->reap_timeout_ms * 1000000u;
	pid_t holder = in_child(cast, hold_lock), eater;
	uint64_t tries;

	/*
	 * Waits until the notifier waits: the child took its lock before, and the victim's
	 * callback waits for it.
	 */
	pause_ms(200);
	victim_release(&cast->stuck);
	pause_ms(200);
	eater = in_child(cast, outgrow_stuck);
	do
		pause_ms(20);
	while ((tries = events_counted()) < REAPER_TRIES && monotonic_ns() < end_ns);
	/* The reaper waits once more before it says that it gives up. */
	pause_ms(300);
	end_child(holder);
	end_child(eater);
	victim_bury(&cast->stuck);
	if (rmdir(cast->stuck_cgroup) < 0)
		workload_fail("remove %s", cast->stuck_cgroup);
	return tries;
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
	cast->stubborn_fd = open_armed(SPLAT_MN_WELL_BEHAVED);
	cast->has_machine = machine_is_there();
	cast->has_mirror = access("/dev/hmm_dmirror0", R_OK | W_OK) == 0;
}

static void close_cast(struct cast *cast)
{
	close(cast->refusing_fd);
	close(cast->accepting_fd);
	close(cast->stubborn_fd);
}

static uint64_t kill_all(struct cast *cast, const struct workload *workload)
{
	unsigned long patience = workload->reap_timeout_ms;
	uint64_t tries;

	start(&cast->refused, "refused", cast, prepare_refused, eat);
	start(&cast->sharer, "sharer", cast, prepare_sharer, eat);
	start(&cast->owner, "owner", cast, prepare_owner, provoke_owner);
	start_group(cast);
	start_stuck(cast);
	doomed_release(&cast->refused);
	doomed_release(&cast->sharer);
	doomed_release(&cast->owner);
	doomed_release(&cast->group[0]);
	tries = stick(cast, workload);

	doomed_await(&cast->refused, patience);
	/*
	 * This is done while the victim still has its address space: the driver compares starts
	 * and ends.
	 */
	notifiers_remove(cast->accepting_fd, 1);
	doomed_bury(&cast->refused);
	doomed_finish(&cast->sharer, patience);
	doomed_finish(&cast->owner, patience);
	victim_await_exit_stop(&cast->group[1].victim);
	victim_bury(&cast->group[1].victim);
	doomed_finish(&cast->group[0], patience);
	return tries;
}

static int reaper_main(int argc, char **argv)
{
	struct workload workload = { .name = "reaper",
				     .duration_ms = 1000,
				     .memory_mib = 64,
				     .reap_timeout_ms = 30000 };
	static struct cast cast;
	uint64_t tries = 0;
	bool counts;

	workload_start(&workload, argc, argv);
	counts = events_count("oom/skip_task_reaping", "pid > 0");
	do {
		open_cast(&cast);
		tries = kill_all(&cast, &workload);
		close_cast(&cast);
	} while (workload_time_is_left(&workload));
	printf("done tries of a lock that was held %" PRIu64 "%s%s\n", tries,
	       cast.has_machine ? "" : ", no KVM", cast.has_mirror ? "" : ", no test_hmm");
	errno = 0;
	if (counts && tries < REAPER_TRIES)
		workload_fail("the OOM reaper found no lock held");
	return 0;
}

PROGRAM("reaper", reaper_main);
