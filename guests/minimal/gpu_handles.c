// SPDX-License-Identifier: MIT
#include "gpu_objects.h"

#include "alarms.h"
#include "fence.h"
#include "files.h"
#include "random.h"
#include "timeline.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MADE 24
#define GUESSES 6 /* handles are numbered from 1 */

/* The last cursor may still use the cursor's pixels; a wait for them is interrupted by signals. */
void move_cursor(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct alarms alarms;

	alarms_start(&alarms, 200 + random_below(&racer->random, 3000));
	for (int i = 0; i < 6; i++) {
		struct drm_mode_cursor2 cursor = {
			.flags = i % 3 == 0 ? DRM_MODE_CURSOR_BO : DRM_MODE_CURSOR_MOVE,
			.crtc_id = objects->display.crtc_id,
			.x = (int)random_below(&racer->random, 700) - 30,
			.y = (int)random_below(&racer->random, 500) - 30,
			.width = OBJECT_SIDE,
			.height = OBJECT_SIDE,
			.handle = objects->cursors[random_below(&racer->random, CURSORS)].handle,
		};

		if (random_below(&racer->random, 8) == 0)
			cursor.handle = 0;
		if (ioctl(objects->fd, DRM_IOCTL_MODE_CURSOR2, &cursor) == 0)
			objects->cursors_set++;
	}
	alarms_stop(&alarms);
}

/*
 * Imports a fence, signalled or not, into the cursor's buffer, whose lock is taken just when
 * the cursor needs it.
 */
void import_into_cursor(struct racer *racer)
{
	struct objects *objects = racer->shared;
	int timeline = timeline_open();
	struct dma_buf_import_sync_file request = { .flags = DMA_BUF_SYNC_RW };

	if (timeline < 0)
		return;
	request.fd = timeline_fence(timeline, 1);
	for (int i = 0; i < 8; i++) {
		gpu_ioctl(objects->cursor_buffers[i % CURSORS], DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			  &request);
		if (i == (int)random_below(&racer->random, 8))
			timeline_advance(timeline, 1);
	}
	close(request.fd);
	close(timeline);
}

/* Another flip may be under way (EBUSY), or the connector may be off (EINVAL). */
void flip(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct drm_mode_crtc_page_flip request = {
		.crtc_id = objects->display.crtc_id,
		.fb_id = objects->framebuffers[random_below(&racer->random, 2)],
	};

	if (gpu_ioctl(objects->fd, DRM_IOCTL_MODE_PAGE_FLIP, &request) == 0)
		objects->flips++;
	if (random_below(&racer->random, 4) == 0) {
		display_hide(objects->fd, &objects->display);
		display_show(objects->fd, &objects->display, request.fb_id);
	}
}

void read_state(struct racer *racer)
{
	struct objects *objects = racer->shared;

	gpu_read_state(objects->fd);
}

/* Makes the kernel do what it does when a monitor is unplugged and plugged in again. */
void probe_connector(struct racer *racer)
{
	static const char *const states[] = { "off", "detect", "on", "detect" };
	struct objects *objects = racer->shared;

	if (objects->status_path[0] == '\0')
		return;
	for (int i = 0; i < 4; i++)
		write_file(objects->status_path, states[i]);
	if (random_below(&racer->random, 2))
		display_show(objects->fd, &objects->display, objects->framebuffers[0]);
}

void frame_and_close(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct drm_mode_cursor2 cursor = { .flags = DRM_MODE_CURSOR_BO,
					   .crtc_id = objects->display.crtc_id,
					   .width = OBJECT_SIDE, .height = OBJECT_SIDE };
	struct canvas canvas;
	uint32_t framebuffer;
	int prime_fd = -1;

	if (!canvas_create(objects->fd, OBJECT_SIDE, OBJECT_SIDE, &canvas))
		workload_fail("create a canvas");
	if (random_below(&racer->random, 2) && !canvas_export(objects->fd, &canvas, &prime_fd))
		workload_fail("export a canvas");
	if (!canvas_add_framebuffer(objects->fd, &canvas, &framebuffer))
		workload_fail("make a framebuffer");
	cursor.handle = canvas.handle;
	gpu_ioctl(objects->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
	if (!object_close(objects->fd, canvas.handle))
		workload_fail("close a framed canvas");
	framebuffer_flush(objects->fd, framebuffer);
	gpu_ioctl(objects->fd, DRM_IOCTL_MODE_RMFB, &framebuffer);
	if (prime_fd >= 0)
		close(prime_fd);
}

struct guesser {
	struct objects *objects;
	atomic_bool over;
};

static void *guess(void *argument)
{
	struct guesser *guesser = argument;

	while (!guesser->over)
		for (uint32_t handle = 1; handle <= GUESSES; handle++)
			if (object_close(guesser->objects->guessed_fd, handle))
				guesser->objects->closed_by_guess++;
	return NULL;
}

/*
 * Makes handles in every way; any of them may be closed by another thread before the call
 * returns.
 */
static void make_handles(struct racer *racer)
{
	struct objects *objects = racer->shared;
	int fd = objects->guessed_fd;
	struct canvas canvas;
	uint32_t framebuffer, handle;

	if (!object_create(fd, OBJECT_SIDE, &canvas) ||
	    !canvas_create(fd, OBJECT_SIDE, OBJECT_SIDE, &canvas) ||
	    !canvas_import(fd, objects->cursor_buffers[random_below(&racer->random, CURSORS)],
			   &handle))
		workload_fail("make a handle");
	if (canvas_add_framebuffer(fd, &canvas, &framebuffer))
		gpu_ioctl(fd, DRM_IOCTL_MODE_RMFB, &framebuffer);
}

void close_by_guess(struct racer *racer)
{
	struct guesser guesser = { .objects = racer->shared };
	pthread_t thread;

	errno = pthread_create(&thread, NULL, guess, &guesser);
	if (errno != 0)
		workload_fail("start a guesser");
	for (int i = 0; i < MADE / 3; i++)
		make_handles(racer);
	guesser.over = true;
	pthread_join(thread, NULL);
}

/*
 * Reads the driver's description of the fence of an object's creation, as a sync file, while
 * the host is behind.
 */
static void ask_about_fence(int prime_fd)
{
	struct sync_fence_info fence[4];
	struct sync_file_info info = { .num_fences = 4, .sync_fence_info = (uintptr_t)fence };
	int sync_fd = fence_export(prime_fd);

	if (sync_fd < 0)
		return;
	gpu_ioctl(sync_fd, SYNC_IOC_FILE_INFO, &info);
	close(sync_fd);
}

/* Makes a dma-buf that outlives its handle, and imports it in both openings of the card. */
void export_and_import(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct canvas canvas;
	uint32_t handle;
	int prime_fd;

	if (!object_create(objects->render_fd, OBJECT_SIDE, &canvas) ||
	    !canvas_export(objects->render_fd, &canvas, &prime_fd) ||
	    !object_close(objects->render_fd, canvas.handle))
		workload_fail("create, export and close an object");
	ask_about_fence(prime_fd);
	if (!canvas_import(objects->fd, prime_fd, &handle))
		workload_fail("import an object");
	close(prime_fd);
	wait_for_host(objects, objects->fd, handle, false);
	if (!object_close(objects->fd, handle))
		workload_fail("close an imported object");
}

/*
 * Gives an object a global name (flink), which is opened and closed while the object is
 * released.
 */
void name_object(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct drm_gem_flink flink = { 0 };
	struct drm_gem_open open_name = { 0 };
	struct canvas canvas;

	if (!object_create(objects->fd, OBJECT_SIDE, &canvas))
		workload_fail("create an object");
	flink.handle = canvas.handle;
	if (gpu_ioctl(objects->fd, DRM_IOCTL_GEM_FLINK, &flink) < 0)
		workload_fail("name an object");
	open_name.name = flink.name;
	if (gpu_ioctl(objects->fd, DRM_IOCTL_GEM_OPEN, &open_name) < 0)
		workload_fail("open an object by its name");
	object_close(objects->fd, canvas.handle);
	object_close(objects->fd, open_name.handle);
}
