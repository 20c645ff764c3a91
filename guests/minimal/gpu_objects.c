// SPDX-License-Identifier: MIT
/*
 * gpu-objects: virtio-gpu's own ioctls on a device without 3D. Objects are made, mapped, drawn
 * into, sent to the host, waited for, exported, imported, named and closed, some of them by
 * guessed handles. Meanwhile the cursor is set and moved under signals, the display flips, and
 * its connector is probed.
 */
#include "gpu_objects.h"

#include "program.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#if __has_include(<libdrm/virtgpu_drm.h>)
#include <libdrm/virtgpu_drm.h>
#else
#include <drm/virtgpu_drm.h>
#endif

#define THREADS 4
#define TARGET_2D 2	 /* the only target that a device without 3D accepts */
#define FORMAT_B8G8R8X8 2 /* virtio_gpu.h, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM */
#define PARAMETERS 7
#define BURST 48 /* transfers: more than half of the control queue's 64 places */

bool object_create(int fd, uint32_t side, struct canvas *canvas)
{
	struct drm_virtgpu_resource_create request = {
		.target = TARGET_2D, .format = FORMAT_B8G8R8X8, .width = side, .height = side,
		.size = side * side * 4,
	};

	if (gpu_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &request) < 0)
		return false;
	*canvas = (struct canvas){ .handle = request.bo_handle, .width = side, .height = side,
				   .pitch = side * 4, .bytes = request.size };
	return true;
}

bool object_close(int fd, uint32_t handle)
{
	struct drm_gem_close request = { .handle = handle };

	return gpu_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &request) == 0;
}

static char *map_object(int fd, const struct canvas *canvas)
{
	struct drm_virtgpu_map map = { .handle = canvas->handle };
	void *pixels;

	if (gpu_ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &map) < 0)
		workload_fail("find the place of an object");
	pixels = mmap(NULL, canvas->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      (off_t)map.offset);
	if (pixels == MAP_FAILED)
		workload_fail("map an object");
	return pixels;
}

static void send_to_host(struct objects *objects, int fd, const struct canvas *canvas, uint32_t rows)
{
	struct drm_virtgpu_3d_transfer_to_host request = {
		.bo_handle = canvas->handle,
		.box = { .w = canvas->width, .h = rows, .d = 1 },
	};

	if (gpu_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &request) < 0)
		workload_fail("send an object to the host");
	objects->transferred++;
}

void wait_for_host(struct objects *objects, int fd, uint32_t handle, bool now)
{
	struct drm_virtgpu_3d_wait request = { .handle = handle,
					       .flags = now ? VIRTGPU_WAIT_NOWAIT : 0 };

	if (gpu_ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &request) == 0)
		objects->waited++;
	else if (!now || errno != EBUSY)
		workload_fail("wait for an object");
}

static int pick_card(struct racer *racer)
{
	struct objects *objects = racer->shared;

	return random_below(&racer->random, 2) ? objects->fd : objects->render_fd;
}

/*
 * The whole life of an object: waits for the fence of its creation, and releases handle and
 * mapping in either order.
 */
static void live(struct racer *racer)
{
	struct objects *objects = racer->shared;
	int fd = pick_card(racer);
	uint32_t side = 16 + 16 * (uint32_t)random_below(&racer->random, 16);
	bool handle_first = random_below(&racer->random, 2);
	struct drm_virtgpu_resource_info info = { 0 };
	struct canvas canvas;
	char *pixels;

	if (!object_create(fd, side, &canvas))
		workload_fail("create an object of %u pixels a side", side);
	wait_for_host(objects, fd, canvas.handle, random_below(&racer->random, 2));
	info.bo_handle = canvas.handle;
	if (gpu_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info) < 0 || info.size < canvas.bytes)
		workload_fail("ask about an object");
	pixels = map_object(fd, &canvas);
	for (size_t at = 0; at < canvas.bytes; at += PAGE_BYTES)
		pixels[at] = (char)side;
	send_to_host(objects, fd, &canvas, side);
	wait_for_host(objects, fd, canvas.handle, false);
	if (handle_first && !object_close(fd, canvas.handle))
		workload_fail("close an object");
	munmap(pixels, canvas.bytes);
	if (!handle_first && !object_close(fd, canvas.handle))
		workload_fail("close an object");
	objects->created++;
}

/*
 * Sends more commands than the host takes at once, so that a sender waits for room in the
 * queue.
 */
static void burst(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct canvas canvas;

	if (!object_create(objects->render_fd, 256, &canvas))
		workload_fail("create a large object");
	for (int i = 0; i < BURST; i++)
		send_to_host(objects, objects->render_fd, &canvas, 256);
	export_and_import(racer);
	if (!object_close(objects->render_fd, canvas.handle))
		workload_fail("close a large object");
}

/* Opens the card and closes it while objects exist in it. */
static void open_and_leave(struct racer *racer)
{
	struct objects *objects = racer->shared;
	struct canvas canvas;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 random_below(&racer->random, 2) ? objects->fd : objects->render_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		workload_fail("open the card once more");
	for (int i = 0; i < 4; i++) {
		int value = -1;
		struct drm_virtgpu_getparam parameter = {
			.param = 1 + random_below(&racer->random, PARAMETERS),
			.value = (uintptr_t)&value,
		};

		gpu_ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &parameter);
		if (!object_create(fd, OBJECT_SIDE, &canvas))
			workload_fail("create an object");
	}
	close(fd);
}

static const struct operation operations[] = {
	{ "live", live },
	{ "move-cursor", move_cursor },
	{ "close-by-guess", close_by_guess },
	{ "burst", burst },
	{ "import-into-cursor", import_into_cursor },
	{ "flip", flip },
	{ "export-and-import", export_and_import },
	{ "frame-and-close", frame_and_close },
	{ "name", name_object },
	{ "open-and-leave", open_and_leave },
	{ "probe-connector", probe_connector },
	{ "read-state", read_state },
	{ "live", live },
	{ "move-cursor", move_cursor },
};

/* Opens the render node of a card; it does not need to be master. */
static int open_render_node(int fd)
{
	char path[32];

	for (int node = 128; node < 144; node++) {
		char driver[32] = "";
		struct drm_version version = { .name = driver, .name_len = sizeof(driver) - 1 };
		int value = 0;
		struct drm_virtgpu_getparam parameter = { .param = VIRTGPU_PARAM_3D_FEATURES,
							  .value = (uintptr_t)&value };
		int render_fd;

		snprintf(path, sizeof(path), "/dev/dri/renderD%d", node);
		render_fd = open(path, O_RDWR | O_CLOEXEC);
		if (render_fd >= 0 && gpu_ioctl(render_fd, DRM_IOCTL_VERSION, &version) == 0 &&
		    driver[0] == 'v' && driver[1] == 'i' &&
		    gpu_ioctl(render_fd, DRM_IOCTL_VIRTGPU_GETPARAM, &parameter) == 0)
			return render_fd;
		if (render_fd >= 0)
			close(render_fd);
	}
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void prepare_display(struct objects *objects)
{
	const struct drm_mode_modeinfo *mode = &objects->display.mode;
	char pattern[64];
	struct stat card;
	glob_t found;

	if (!display_find(objects->fd, &objects->display) || fstat(objects->fd, &card) < 0)
		workload_fail("find a connected display");
	for (int i = 0; i < 2; i++)
		if (!canvas_create(objects->fd, mode->hdisplay, mode->vdisplay,
				   &objects->shown[i]) ||
		    !canvas_add_framebuffer(objects->fd, &objects->shown[i],
					    &objects->framebuffers[i]))
			workload_fail("make framebuffer %d", i);
	if (!display_show(objects->fd, &objects->display, objects->framebuffers[0]))
		workload_fail("set the mode");
	snprintf(pattern, sizeof(pattern), "/sys/class/drm/card%u-*/status", minor(card.st_rdev));
	if (glob(pattern, 0, NULL, &found) == 0)
		snprintf(objects->status_path, sizeof(objects->status_path), "%s",
			 found.gl_pathv[0]);
}

static void prepare(struct objects *objects)
{
	objects->fd = gpu_open(GPU_DRIVER);
	if (objects->fd < 0)
		workload_skip("no card driven by " GPU_DRIVER);
	objects->guessed_fd = gpu_open(GPU_DRIVER);
	objects->render_fd = open_render_node(objects->fd);
	if (objects->guessed_fd < 0 || objects->render_fd < 0)
		workload_fail("open the card again");
	prepare_display(objects);
	for (int i = 0; i < CURSORS; i++)
		if (!canvas_create(objects->fd, OBJECT_SIDE, OBJECT_SIDE, &objects->cursors[i]) ||
		    !canvas_export(objects->fd, &objects->cursors[i],
				   &objects->cursor_buffers[i]))
			workload_fail("make cursor %d", i);
}

static int gpu_objects_main(int argc, char **argv)
{
	struct workload workload = { .name = "gpu-objects", .duration_ms = 2000,
				     .memory_mib = 16 };
	static struct objects objects;

	workload_start(&workload, argc, argv);
	prepare(&objects);
	race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]), &objects);
	printf("done created %" PRIuFAST64 " transferred %" PRIuFAST64 " waited %" PRIuFAST64
	       " cursors %" PRIuFAST64 " closed by guess %" PRIuFAST64 " flips %" PRIuFAST64 "\n",
	       objects.created, objects.transferred, objects.waited, objects.cursors_set,
	       objects.closed_by_guess, objects.flips);
	errno = 0;
	if (objects.closed_by_guess == 0 || objects.cursors_set == 0)
		workload_fail("no handle was closed by guess, or no cursor was set");
	return 0;
}

PROGRAM("gpu-objects", gpu_objects_main);
