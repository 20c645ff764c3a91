// SPDX-License-Identifier: MIT
/*
 * gpu-unbind: the driver is unbound from the device and bound again, while threads hold files
 * of the device open and go on using them. gpu-unbind-held: they hold mappings, dma-bufs and
 * framebuffers as well.
 */
#include "files.h"
#include "gpu_objects.h"
#include "program.h"
#include "random.h"

#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DRIVER_FOLDER "/sys/bus/virtio/drivers/virtio_gpu/"
#define ASKERS 2
#define ROUNDS 3

struct round {
	atomic_bool bare; /* true while objects are released and no new ones are made */
	atomic_uint bare_askers;
	atomic_bool over;
};

struct asker {
	pthread_t thread;
	uint64_t random;
	int fd;
	struct round *round;
	uint64_t answered;
};

/* Uses objects, half of which stay with the file. False if no object could be made. */
static bool ask_for_objects(struct asker *asker)
{
	struct canvas canvas;
	uint32_t framebuffer, *pixels;
	int prime_fd = -1;

	if (!canvas_create(asker->fd, OBJECT_SIDE, OBJECT_SIDE, &canvas))
		return false;
	if (random_below(&asker->random, 2) && !canvas_export(asker->fd, &canvas, &prime_fd))
		prime_fd = -1;
	pixels = canvas_map(asker->fd, &canvas);
	if (canvas_add_framebuffer(asker->fd, &canvas, &framebuffer) &&
	    random_below(&asker->random, 2)) {
		framebuffer_flush(asker->fd, framebuffer);
		gpu_ioctl(asker->fd, DRM_IOCTL_MODE_RMFB, &framebuffer);
	}
	if (random_below(&asker->random, 2))
		canvas_destroy(asker->fd, &canvas);
	if (pixels)
		munmap(pixels, canvas.bytes);
	if (prime_fd >= 0)
		close(prime_fd);
	return true;
}

/* Closes the file and opens another, which has no objects. */
static void let_go(struct asker *asker)
{
	close(asker->fd);
	asker->fd = gpu_open(GPU_DRIVER);
	if (asker->fd < 0)
		workload_fail("open the card again");
	asker->round->bare_askers++;
}

/*
 * The life of a thread that uses the device. Any call may fail (ENODEV), and any mapping may be
 * gone, so it reads nothing from a mapping.
 */
static void *ask(void *argument)
{
	struct asker *asker = argument;
	bool bare = false;

	while (!asker->round->over) {
		struct display display;
		bool answered;

		if (asker->round->bare && !bare) {
			let_go(asker);
			bare = true;
		}
		answered = display_find(asker->fd, &display);
		if (!bare)
			answered = ask_for_objects(asker);
		if (answered)
			asker->answered++;
		else
			pause_ms(1);
	}
	close(asker->fd);
	return NULL;
}

/* The device's name on its bus, as it stands in the driver's folder. */
static void find_device(char *name, size_t size)
{
	glob_t found;

	if (glob(DRIVER_FOLDER "virtio*", 0, NULL, &found) != 0)
		workload_skip("no device bound to the driver " GPU_DRIVER);
	snprintf(name, size, "%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
}

static void start_asking(struct asker *asker, const struct workload *workload, unsigned index,
			 struct round *round)
{
	*asker = (struct asker){ .random = random_stream(workload->seed, index), .round = round,
				 .fd = gpu_open(GPU_DRIVER) };
	if (asker->fd < 0)
		workload_fail("open the card");
	errno = pthread_create(&asker->thread, NULL, ask, asker);
	if (errno != 0)
		workload_fail("start asker %u", index);
}

/*
 * Waits until all objects are released: they are freed when the host has answered, and then by
 * a work queue.
 */
static void wait_until_bare(struct round *round)
{
	round->bare = true;
	while (round->bare_askers < ASKERS)
		pause_ms(1);
	pause_ms(30);
}

/* Returns how many times the askers were answered. */
static uint64_t unbind_and_bind(const struct workload *workload, const char *device,
				unsigned number, bool held)
{
	struct asker askers[ASKERS];
	struct round round = { 0 };
	uint64_t answered = 0;

	for (unsigned i = 0; i < ASKERS; i++)
		start_asking(&askers[i], workload, number * ASKERS + i, &round);
	pause_ms(50 + number * 30);
	if (!held)
		wait_until_bare(&round);
	if (!write_file(DRIVER_FOLDER "unbind", device))
		workload_fail("take %s from its driver", device);
	pause_ms(20);
	if (!write_file(DRIVER_FOLDER "bind", device))
		workload_fail("give %s back to its driver", device);
	round.over = true;
	for (unsigned i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		answered += askers[i].answered;
	}
	return answered;
}

static int unbind(const struct workload *workload, bool held)
{
	uint64_t answered = 0;
	unsigned round = 0;
	char device[64];
	int fd;

	find_device(device, sizeof(device));
	do
		answered += unbind_and_bind(workload, device, round, held);
	while (++round < ROUNDS || workload_time_is_left(workload));
	fd = gpu_open(GPU_DRIVER);
	if (fd < 0)
		workload_fail("open the card of the driver that came back");
	close(fd);
	printf("done rounds %u answered %llu\n", round, (unsigned long long)answered);
	return 0;
}

static int gpu_unbind_main(int argc, char **argv)
{
	struct workload workload = { .name = "gpu-unbind", .duration_ms = 500, .memory_mib = 16 };

	workload_start(&workload, argc, argv);
	return unbind(&workload, false);
}

static int gpu_unbind_held_main(int argc, char **argv)
{
	struct workload workload = { .name = "gpu-unbind-held", .duration_ms = 500,
				     .memory_mib = 16 };

	workload_start(&workload, argc, argv);
	workload_skip_known(&workload, "7.3", NULL,
			    "a mutex is destroyed before the objects that take it");
	return unbind(&workload, true);
}

PROGRAM("gpu-unbind", gpu_unbind_main);
PROGRAM("gpu-unbind-held", gpu_unbind_held_main);
