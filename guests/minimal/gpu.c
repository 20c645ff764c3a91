// SPDX-License-Identifier: MIT
#include "gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CARDS 16
#define IDS_MAX 16
#define MODES_MAX 64
#define FLIP_TIMEOUT_MS 10000

int gpu_ioctl(int fd, unsigned long number, void *argument)
{
	int result;

	do
		result = ioctl(fd, number, argument);
	while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result < 0 ? -1 : 0;
}

static bool has_driver(int fd, const char *driver)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return gpu_ioctl(fd, DRM_IOCTL_VERSION, &version) == 0 && strcmp(name, driver) == 0;
}

int gpu_open(const char *driver)
{
	for (int card = 0; card < CARDS; card++) {
		char path[32];
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", card);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (has_driver(fd, driver))
			return fd;
		close(fd);
	}
	errno = ENODEV;
	return -1;
}

bool canvas_create(int fd, uint32_t width, uint32_t height, struct canvas *canvas)
{
	struct drm_mode_create_dumb create = { .width = width, .height = height, .bpp = 32 };

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) < 0)
		return false;
	*canvas = (struct canvas){
		.handle = create.handle,
		.width = width,
		.height = height,
		.pitch = create.pitch,
		.bytes = create.size,
	};
	return true;
}

bool canvas_destroy(int fd, const struct canvas *canvas)
{
	struct drm_mode_destroy_dumb destroy = { .handle = canvas->handle };

	return gpu_ioctl(fd, DRM_IOCTL_MODE_DESTROY_DUMB, &destroy) == 0;
}

bool canvas_export(int fd, const struct canvas *canvas, int *prime_fd)
{
	struct drm_prime_handle prime = { .handle = canvas->handle,
					  .flags = DRM_CLOEXEC | DRM_RDWR };

	if (gpu_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) < 0)
		return false;
	*prime_fd = prime.fd;
	return true;
}

bool canvas_import(int fd, int prime_fd, uint32_t *handle)
{
	struct drm_prime_handle prime = { .fd = prime_fd };

	if (gpu_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime) < 0)
		return false;
	*handle = prime.handle;
	return true;
}

bool canvas_add_framebuffer(int fd, const struct canvas *canvas, uint32_t *framebuffer)
{
	struct drm_mode_fb_cmd2 add = {
		.width = canvas->width,
		.height = canvas->height,
		.pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { canvas->handle },
		.pitches = { canvas->pitch },
	};

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &add) < 0)
		return false;
	*framebuffer = add.fb_id;
	return true;
}

uint32_t *canvas_map(int fd, const struct canvas *canvas)
{
	struct drm_mode_map_dumb map = { .handle = canvas->handle };
	void *pixels;

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
		return NULL;
	pixels = mmap(NULL, canvas->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      (off_t)map.offset);
	return pixels == MAP_FAILED ? NULL : pixels;
}

static bool is_better(const struct drm_mode_modeinfo *mode, const struct drm_mode_modeinfo *best)
{
	return mode->hdisplay >= 640 && mode->vdisplay >= 480 &&
	       (best->hdisplay == 0 ||
		mode->hdisplay * mode->vdisplay < best->hdisplay * best->vdisplay);
}

/* False if nothing is connected, or no mode is large enough. */
static bool find_mode(int fd, uint32_t connector_id, struct display *display)
{
	static struct drm_mode_modeinfo modes[MODES_MAX];
	struct drm_mode_get_connector connector = { .connector_id = connector_id };

	/* The first call probes the connector and counts its modes, the second reads them. */
	if (gpu_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector) < 0)
		return false;
	connector = (struct drm_mode_get_connector){
		.connector_id = connector_id,
		.modes_ptr = (uintptr_t)modes,
		.count_modes = connector.count_modes,
	};
	if (connector.count_modes > MODES_MAX ||
	    gpu_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector) < 0)
		return false;
	memset(&display->mode, 0, sizeof(display->mode));
	for (uint32_t i = 0; i < connector.count_modes && i < MODES_MAX; i++)
		if (is_better(&modes[i], &display->mode))
			display->mode = modes[i];
	display->connector_id = connector_id;
	return connector.connection == 1 && display->mode.hdisplay > 0;
}

bool display_find(int fd, struct display *display)
{
	uint32_t crtcs[IDS_MAX], connectors[IDS_MAX];
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = IDS_MAX,
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = IDS_MAX,
	};

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0)
		return false;
	errno = ENODEV;
	if (resources.count_crtcs == 0 || resources.count_crtcs > IDS_MAX)
		return false;
	display->crtc_id = crtcs[0];
	for (uint32_t i = 0; i < resources.count_connectors && i < IDS_MAX; i++)
		if (find_mode(fd, connectors[i], display))
			return true;
	errno = ENODEV;
	return false;
}

bool display_show(int fd, const struct display *display, uint32_t framebuffer)
{
	uint32_t connector_id = display->connector_id;
	struct drm_mode_crtc crtc = {
		.crtc_id = display->crtc_id,
		.fb_id = framebuffer,
		.set_connectors_ptr = (uintptr_t)&connector_id,
		.count_connectors = 1,
		.mode = display->mode,
		.mode_valid = 1,
	};

	return gpu_ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &crtc) == 0;
}

bool display_hide(int fd, const struct display *display)
{
	struct drm_mode_crtc crtc = { .crtc_id = display->crtc_id };

	return gpu_ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &crtc) == 0;
}

/* Reads the card's debugfs files that match, except those with one name. */
static void read_debugfs(int fd, const char *match, const char *but)
{
	char pattern[64], text[1024];
	struct stat card;
	glob_t files;

	if (fstat(fd, &card) < 0)
		return;
	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/dri/%u/%s", minor(card.st_rdev), match);
	if (glob(pattern, 0, NULL, &files) != 0)
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		int file;

		if (but && strcmp(strrchr(files.gl_pathv[i], '/') + 1, but) == 0)
			continue;
		file = open(files.gl_pathv[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		while (file >= 0 && read(file, text, sizeof(text)) > 0)
			;
		if (file >= 0)
			close(file);
	}
	globfree(&files);
}

void gpu_read_state(int fd)
{
	read_debugfs(fd, "*", GPU_FRAMEBUFFERS_FILE);
}

void gpu_read_framebuffers(int fd)
{
	read_debugfs(fd, GPU_FRAMEBUFFERS_FILE, NULL);
}

bool display_flip(int fd, const struct display *display, uint32_t framebuffer)
{
	struct drm_mode_crtc_page_flip flip = {
		.crtc_id = display->crtc_id,
		.fb_id = framebuffer,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct pollfd shown = { .fd = fd, .events = POLLIN };
	struct drm_event_vblank event;

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_PAGE_FLIP, &flip) < 0)
		return false;
	if (poll(&shown, 1, FLIP_TIMEOUT_MS) != 1) {
		errno = ETIMEDOUT;
		return false;
	}
	return read(fd, &event, sizeof(event)) == sizeof(event);
}

bool framebuffer_flush(int fd, uint32_t framebuffer)
{
	struct drm_mode_fb_dirty_cmd dirty = { .fb_id = framebuffer };

	return gpu_ioctl(fd, DRM_IOCTL_MODE_DIRTYFB, &dirty) == 0;
}
