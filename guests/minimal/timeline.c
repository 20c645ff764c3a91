// SPDX-License-Identifier: MIT
#include "timeline.h"

#include "fence.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct create_fence {
	uint32_t value;
	char name[32];
	int32_t fence; /* out */
};

#define CREATE_FENCE _IOWR('W', 0, struct create_fence)
#define ADVANCE _IOW('W', 1, uint32_t)

#define KEPT_WAIT_MS 20000

int timeline_open(void)
{
	return open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);
}

int timeline_fence(int timeline, uint32_t value)
{
	struct create_fence request = { .value = value, .name = "splat" };

	return ioctl(timeline, CREATE_FENCE, &request) < 0 ? -1 : request.fence;
}

bool timeline_advance(int timeline, uint32_t by)
{
	return ioctl(timeline, ADVANCE, &by) == 0;
}

/* Gives a fence a second descriptor, in the place of the oldest kept one. */
static void keep(struct pace *pace, int fence)
{
	int oldest;

	pthread_mutex_lock(&pace->keeping);
	oldest = pace->kept[pace->next_kept];
	pace->kept[pace->next_kept] = dup(fence);
	pace->next_kept = (pace->next_kept + 1) % FENCES_KEPT;
	pthread_mutex_unlock(&pace->keeping);
	if (oldest <= 0)
		return;
	if (!fence_wait(oldest, KEPT_WAIT_MS))
		workload_fail("a fence stayed busy");
	close(oldest);
}

static void *advance_all(void *argument)
{
	struct pace *pace = argument;
	uint64_t random = random_stream(pace->seed, 50 + pace->started++);

	while (!pace->over) {
		for (int i = 0; i < PACED_TIMELINES; i++) {
			struct paced *timeline = &pace->timelines[i];
			uint32_t by = (uint32_t)random_below(&random, 3);

			pthread_rwlock_rdlock(&timeline->open);
			timeline_advance(timeline->fd, by);
			timeline->value += by;
			pthread_rwlock_unlock(&timeline->open);
		}
		pause_ms(1);
	}
	return NULL;
}

void pace_start(struct pace *pace, uint64_t seed)
{
	pace->seed = seed;
	pthread_mutex_init(&pace->keeping, NULL);
	for (int i = 0; i < PACED_TIMELINES; i++) {
		pace->timelines[i].fd = timeline_open();
		if (pace->timelines[i].fd < 0 && errno == ENOENT)
			workload_skip("no timelines: the kernel lacks CONFIG_SW_SYNC");
		if (pace->timelines[i].fd < 0)
			workload_fail("open a timeline");
		pthread_rwlock_init(&pace->timelines[i].open, NULL);
	}
	for (int i = 0; i < PACERS; i++) {
		errno = pthread_create(&pace->pacers[i], NULL, advance_all, pace);
		if (errno != 0)
			workload_fail("start a pacer");
	}
}

void pace_stop(struct pace *pace)
{
	pace->over = true;
	for (int i = 0; i < PACERS; i++)
		pthread_join(pace->pacers[i], NULL);
}

int pace_fence(struct pace *pace, uint64_t *random)
{
	struct paced *timeline = &pace->timelines[random_below(random, PACED_TIMELINES)];
	uint32_t ahead = 1 + (uint32_t)random_below(random, FENCES_AHEAD);
	int fence;

	pthread_rwlock_rdlock(&timeline->open);
	fence = timeline_fence(timeline->fd, (uint32_t)timeline->value + ahead);
	pthread_rwlock_unlock(&timeline->open);
	if (fence < 0)
		workload_fail("make a fence");
	if (!pace->drops_pending)
		keep(pace, fence);
	return fence;
}

void pace_replace(struct pace *pace, uint64_t *random, bool abandoned)
{
	struct paced *timeline = &pace->timelines[random_below(random, PACED_TIMELINES)];
	int fd = timeline_open();

	if (fd < 0)
		workload_fail("open a timeline");
	pthread_rwlock_wrlock(&timeline->open);
	if (!abandoned)
		timeline_advance(timeline->fd, FENCES_AHEAD);
	close(timeline->fd);
	timeline->fd = fd;
	timeline->value = 0;
	pthread_rwlock_unlock(&timeline->open);
}
