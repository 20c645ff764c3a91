// SPDX-License-Identifier: MIT
#include "faults.h"

#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 12
#define POLL_MS 5

struct descriptor {
	int fd;	/* -1 when this entry is free */
	bool of_child;
	bool unwanted;
};

struct faults_monitor {
	struct faults *faults;
	pthread_t thread;
	pthread_mutex_t lock; /* protects the descriptors; only the thread closes one */
	struct descriptor descriptors[DESCRIPTORS_MAX];
	atomic_bool over;
	uint64_t random;
	char *page; /* a huge page with the contents that are copied */
};

static int open_one(uint64_t features, uint64_t *all)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		close(fd);
		return -1;
	}
	if (all)
		*all = api.features;
	return fd;
}

static bool add(struct faults_monitor *monitor, int fd, bool of_child)
{
	bool added = false;

	pthread_mutex_lock(&monitor->lock);
	for (size_t i = 0; i < DESCRIPTORS_MAX && !added; i++) {
		if (monitor->descriptors[i].fd >= 0)
			continue;
		monitor->descriptors[i] = (struct descriptor){ .fd = fd, .of_child = of_child };
		added = true;
	}
	pthread_mutex_unlock(&monitor->lock);
	return added;
}

/*
 * Adds the descriptor of a child. It does not tell when the child has ended, so all descriptors
 * of children are closed when there is no room left; a child that still runs goes on by itself.
 */
static void add_child(struct faults_monitor *monitor, int fd)
{
	if (add(monitor, fd, true))
		return;
	pthread_mutex_lock(&monitor->lock);
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++)
		monitor->descriptors[i].unwanted |= monitor->descriptors[i].of_child;
	pthread_mutex_unlock(&monitor->lock);
	close(fd);
}

/* Ends the wait for a missing page, in one of several ways. */
static bool give_page(struct faults_monitor *monitor, int fd, uint64_t address)
{
	struct uffdio_copy copy = {
		.dst = address,
		.src = (uintptr_t)monitor->page,
		.len = PAGE_BYTES * (1 + random_below(&monitor->random, 16)),
		.mode = random_below(&monitor->random, 4) ? 0 : UFFDIO_COPY_MODE_WP,
	};
	struct uffdio_zeropage zero = { .range = { address, PAGE_BYTES } };

	if (random_below(&monitor->random, 3) == 0 && ioctl(fd, UFFDIO_ZEROPAGE, &zero) == 0)
		return true;
	if (ioctl(fd, UFFDIO_COPY, &copy) == 0)
		return true;
	copy.len = PAGE_BYTES;
	copy.mode = 0;
	return ioctl(fd, UFFDIO_COPY, &copy) == 0;
}

/* Answers a fault. True if the thread that faulted goes on by itself. */
static bool answer_fault(struct faults_monitor *monitor, int fd, const struct uffd_msg *message)
{
	uint64_t address = message->arg.pagefault.address & ~(PAGE_BYTES - 1);
	struct uffdio_range range = { address, PAGE_BYTES };
	struct uffdio_writeprotect unprotect = { .range = range };
	struct uffdio_continue go_on = { .range = range };

	monitor->faults->answered++;
	if (message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
		return ioctl(fd, UFFDIO_WRITEPROTECT, &unprotect) == 0;
	if (message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR)
		return ioctl(fd, UFFDIO_CONTINUE, &go_on) == 0;
	return give_page(monitor, fd, address);
}

/*
 * Answers all messages of a descriptor. A fault that cannot be answered, because the mapping
 * changes or is gone, is tried again by the thread that waits in it, but only after all
 * messages are read: the kernel hands out faults before events, and nothing can be answered
 * while a change waits for its event to be read.
 */
static void answer(struct faults_monitor *monitor, int fd)
{
	struct uffdio_range postponed[DESCRIPTORS_MAX];
	size_t count = 0;
	struct uffd_msg message;

	while (count < DESCRIPTORS_MAX && read(fd, &message, sizeof(message)) == sizeof(message)) {
		if (message.event == UFFD_EVENT_PAGEFAULT) {
			if (!answer_fault(monitor, fd, &message))
				postponed[count++] = (struct uffdio_range){
					message.arg.pagefault.address & ~(PAGE_BYTES - 1), PAGE_BYTES
				};
			continue;
		}
		monitor->faults->events++;
		if (message.event == UFFD_EVENT_FORK)
			add_child(monitor, (int)message.arg.fork.ufd);
	}
	while (count > 0)
		ioctl(fd, UFFDIO_WAKE, &postponed[--count]);
}

/* Closes the descriptors that are to be closed, and lists the others for poll(2). */
static nfds_t list(struct faults_monitor *monitor, struct pollfd *polled)
{
	nfds_t count = 0;

	pthread_mutex_lock(&monitor->lock);
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++) {
		struct descriptor *descriptor = &monitor->descriptors[i];

		if (descriptor->fd >= 0 && (descriptor->unwanted || monitor->over)) {
			close(descriptor->fd);
			descriptor->fd = -1;
		}
		if (descriptor->fd >= 0)
			polled[count++] = (struct pollfd){ .fd = descriptor->fd, .events = POLLIN };
	}
	pthread_mutex_unlock(&monitor->lock);
	return count;
}

static void *monitor_faults(void *argument)
{
	struct faults_monitor *monitor = argument;
	struct pollfd polled[DESCRIPTORS_MAX];

	for (;;) {
		bool over = monitor->over;
		nfds_t count = list(monitor, polled);

		if (over)
			return NULL;
		if (poll(polled, count, POLL_MS) <= 0)
			continue;
		for (nfds_t i = 0; i < count; i++)
			if (polled[i].revents & POLLIN)
				answer(monitor, polled[i].fd);
	}
}

void faults_start(struct faults *faults, uint64_t seed)
{
	struct faults_monitor *monitor = calloc(1, sizeof(*monitor));
	int fd = open_one(0, &faults->features);

	if (fd < 0 && errno == ENOSYS)
		workload_skip("no userfaultfd: the kernel lacks CONFIG_USERFAULTFD");
	if (fd < 0 || !monitor)
		workload_fail("open a userfaultfd");
	close(fd);
	monitor->faults = faults;
	monitor->random = random_stream(seed, 1000);
	monitor->page = aligned_alloc(PAGE_BYTES, 16 * PAGE_BYTES);
	if (!monitor->page)
		workload_fail("a page to copy from");
	memset(monitor->page, 0x77, 16 * PAGE_BYTES);
	pthread_mutex_init(&monitor->lock, NULL);
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++)
		monitor->descriptors[i].fd = -1;
	faults->monitor = monitor;
	errno = pthread_create(&monitor->thread, NULL, monitor_faults, monitor);
	if (errno != 0)
		workload_fail("start the monitor");
}

int faults_open(struct faults *faults)
{
	uint64_t wanted = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			  UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP;
	int fd = open_one(faults->features & wanted, NULL);

	if (fd >= 0 && add(faults->monitor, fd, false))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_open(struct faults_monitor *monitor, int fd, bool unwanted)
{
	bool found = false;

	pthread_mutex_lock(&monitor->lock);
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++) {
		if (monitor->descriptors[i].fd != fd)
			continue;
		found = true;
		monitor->descriptors[i].unwanted |= unwanted;
	}
	pthread_mutex_unlock(&monitor->lock);
	return found;
}

void faults_close(struct faults *faults, int fd)
{
	for (bool first = true; is_open(faults->monitor, fd, first); first = false)
		pause_ms(1);
}

void faults_stop(struct faults *faults)
{
	struct faults_monitor *monitor = faults->monitor;

	monitor->over = true;
	pthread_join(monitor->thread, NULL);
	free(monitor->page);
	free(monitor);
}
