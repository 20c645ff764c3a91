// SPDX-License-Identifier: MIT
#include "vkms.h"

#include <unistd.h>

static struct frame frame_canvas(int fd, const struct canvas *canvas, uint32_t format,
				 uint32_t width, int buffer)
{
	struct drm_mode_fb_cmd2 add = {
		.width = width,
		.height = canvas->height,
		.pixel_format = format,
		.handles = { canvas->handle },
		.pitches = { canvas->pitch },
	};

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &add) < 0)
		workload_fail("make a framebuffer of format %.4s", (const char *)&format);
	return (struct frame){ .framebuffer = add.fb_id, .buffer = buffer };
}

/* Twice as wide as 32 bits a pixel need, so that 16 bits a colour fit as well. */
static struct frame make_frame(int fd, uint32_t format, uint32_t width, uint32_t height)
{
	struct canvas canvas;
	int buffer;

	if (!canvas_create(fd, width * 2, height, &canvas) || !canvas_export(fd, &canvas, &buffer))
		workload_fail("make a buffer for a frame");
	return frame_canvas(fd, &canvas, format, width, buffer);
}

/* Takes pixels of another driver, which vkms maps. */
static struct frame borrow_frame(int fd, const char *driver)
{
	int lender = gpu_open(driver);
	struct canvas canvas;
	int buffer;

	if (lender < 0)
		workload_skip("no card driven by %s", driver);
	if (!canvas_create(lender, SCREEN_WIDTH, SCREEN_HEIGHT, &canvas) ||
	    !canvas_export(lender, &canvas, &buffer) ||
	    !canvas_import(fd, buffer, &canvas.handle))
		workload_fail("borrow a buffer of %s", driver);
	close(lender);
	return frame_canvas(fd, &canvas, DRM_FORMAT_XRGB8888, SCREEN_WIDTH, buffer);
}

void make_frames(struct screen *screen)
{
	static const uint32_t formats[] = { DRM_FORMAT_XRGB8888, DRM_FORMAT_RGB565,
					    DRM_FORMAT_XRGB16161616 };
	static const uint32_t written_formats[WRITTEN] = {
		DRM_FORMAT_XRGB8888, DRM_FORMAT_RGB565, DRM_FORMAT_XRGB16161616,
		DRM_FORMAT_ARGB16161616
	};

	for (int i = 0; i < 3; i++)
		screen->frames[i] = make_frame(screen->fd, formats[i], SCREEN_WIDTH,
					       SCREEN_HEIGHT);
	screen->frame_count = 3;
	if (screen->borrows) {
		screen->frames[screen->frame_count++] = borrow_frame(screen->fd, "virtio_gpu");
		screen->frames[screen->frame_count++] = borrow_frame(screen->fd, "vgem");
	}
	screen->sprites[0] = make_frame(screen->fd, DRM_FORMAT_ARGB8888, SPRITE_SIDE, SPRITE_SIDE);
	screen->sprites[1] = make_frame(screen->fd, DRM_FORMAT_ARGB16161616, SPRITE_SIDE,
					SPRITE_SIDE);
	for (int i = 0; i < WRITTEN; i++)
		screen->written[i] = make_frame(screen->fd, written_formats[i], SCREEN_WIDTH,
						SCREEN_HEIGHT);
}
