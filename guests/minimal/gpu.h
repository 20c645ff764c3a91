/* SPDX-License-Identifier: MIT */
/* Dumb buffers, framebuffers and the scanout of a DRM device, with plain ioctls. */
#ifndef SPLAT_GPU_H
#define SPLAT_GPU_H

/* On Debian the DRM headers come with libdrm-dev, on other systems with the kernel's headers. */
#if __has_include(<libdrm/drm.h>)
#include <libdrm/drm.h>
#include <libdrm/drm_fourcc.h>
#else
#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A dumb buffer of 32-bit XRGB8888 pixels. */
struct canvas {
	uint32_t handle; /* GEM handle in the file it was made or imported through */
	uint32_t width, height, pitch;
	size_t bytes;
};

struct display {
	uint32_t connector_id;
	uint32_t crtc_id;
	struct drm_mode_modeinfo mode;
};

/*
 * Does an ioctl, again after EINTR and EAGAIN, as the kernel's DRM documentation asks. 0, or -1
 * with errno set.
 */
int gpu_ioctl(int fd, unsigned long number, void *argument);

/*
 * Opens the first card whose driver has this name ("virtio_gpu"); the minor number does not
 * tell the driver. -1 with errno ENODEV if there is none.
 */
int gpu_open(const char *driver);

/* These return false with errno set on failure. */
bool canvas_create(int fd, uint32_t width, uint32_t height, struct canvas *canvas);
bool canvas_destroy(int fd, const struct canvas *canvas);
bool canvas_export(int fd, const struct canvas *canvas, int *prime_fd);
bool canvas_import(int fd, int prime_fd, uint32_t *handle);
bool canvas_add_framebuffer(int fd, const struct canvas *canvas, uint32_t *framebuffer);

/* Maps the pixels, shared and writable; unmap them with munmap(). NULL with errno set. */
uint32_t *canvas_map(int fd, const struct canvas *canvas);

/* Finds the first connected connector, and its smallest mode of at least 640x480 pixels. */
bool display_find(int fd, struct display *display);

/* Sets the mode, and shows the framebuffer. */
bool display_show(int fd, const struct display *display, uint32_t framebuffer);

/* Switches the CRTC off, so that nothing is shown. */
bool display_hide(int fd, const struct display *display);

/*
 * The debugfs file that lists a card's framebuffers. Reading it reads freed buffers
 * (docs/found.md), so only gpu-listed reads it.
 */
#define GPU_FRAMEBUFFERS_FILE "framebuffer"

/* Reads the other debugfs files of the card: objects, clients, the atomic state. */
void gpu_read_state(int fd);

/* Reads the list of framebuffers. */
void gpu_read_framebuffers(int fd);

/* Flips to the framebuffer, and waits at most 10 s until it is shown. */
bool display_flip(int fd, const struct display *display, uint32_t framebuffer);

/* Tells the driver that a framebuffer which is shown has been drawn into. */
bool framebuffer_flush(int fd, uint32_t framebuffer);

#endif
