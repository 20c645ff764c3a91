// SPDX-License-Identifier: MIT
/* gpu-listed: debugfs lists the framebuffers of a card while framebuffers are made and removed. */
#include "gpu.h"
#include "program.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define SIDE 64
#define STANDING 48
#define LISTERS 2
#define MAKERS 3

struct listed {
	const struct workload *workload;
	int fd;
	_Atomic uint64_t framebuffers;
	atomic_bool over;
};

static void *list(void *argument)
{
	struct listed *listed = argument;

	while (!listed->over)
		gpu_read_framebuffers(listed->fd);
	return NULL;
}

/*
 * Makes buffers that only their framebuffers keep alive: both end together, and new buffers
 * take their memory.
 */
static void *make(void *argument)
{
	struct listed *listed = argument;
	struct canvas canvas;
	uint32_t framebuffer;

	for (; workload_time_is_left(listed->workload); listed->framebuffers++) {
		if (!canvas_create(listed->fd, SIDE, SIDE, &canvas) ||
		    !canvas_add_framebuffer(listed->fd, &canvas, &framebuffer))
			workload_fail("make a framebuffer");
		canvas_destroy(listed->fd, &canvas);
		if (gpu_ioctl(listed->fd, DRM_IOCTL_MODE_RMFB, &framebuffer) < 0)
			workload_fail("remove a framebuffer");
	}
	return NULL;
}

/* Makes framebuffers that stay, so that the list is long and its lock is held for longer. */
static void stand(int fd)
{
	struct canvas canvas;
	uint32_t framebuffer;

	if (!canvas_create(fd, SIDE, SIDE, &canvas))
		workload_fail("make a buffer");
	for (int i = 0; i < STANDING; i++)
		if (!canvas_add_framebuffer(fd, &canvas, &framebuffer))
			workload_fail("make a framebuffer");
}

static pthread_t start(void *(*run)(void *), struct listed *listed)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run, listed);
	if (errno != 0)
		workload_fail("start a thread");
	return thread;
}

static int gpu_listed_main(int argc, char **argv)
{
	struct workload workload = { .name = "gpu-listed", .duration_ms = 2000, .memory_mib = 16 };
	struct listed listed = { .workload = &workload };
	pthread_t listers[LISTERS], makers[MAKERS];

	workload_start(&workload, argc, argv);
	workload_skip_known(&workload, NULL, NULL,
			    "a framebuffer is listed after its buffers are freed");
	listed.fd = gpu_open("virtio_gpu");
	if (listed.fd < 0 && errno == ENODEV)
		workload_skip("no card driven by virtio_gpu");
	if (listed.fd < 0)
		workload_fail("open the card of virtio_gpu");
	stand(listed.fd);
	for (int i = 0; i < LISTERS; i++)
		listers[i] = start(list, &listed);
	for (int i = 0; i < MAKERS; i++)
		makers[i] = start(make, &listed);
	for (int i = 0; i < MAKERS; i++)
		pthread_join(makers[i], NULL);
	listed.over = true;
	for (int i = 0; i < LISTERS; i++)
		pthread_join(listers[i], NULL);
	printf("done framebuffers %" PRIu64 "\n", listed.framebuffers);
	return 0;
}

PROGRAM("gpu-listed", gpu_listed_main);
