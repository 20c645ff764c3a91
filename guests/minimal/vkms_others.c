// SPDX-License-Identifier: MIT
#include "vkms.h"

#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEASED 4

/* Makes a commit as the lessee, through the lessee's descriptor. */
static void use_lease(struct racer *racer, int fd)
{
	struct screen *screen = racer->shared;
	struct drm_set_client_cap allow = { .capability = DRM_CLIENT_CAP_ATOMIC, .value = 1 };
	uint32_t objects[LEASED];
	struct drm_mode_get_lease get = { .count_objects = LEASED, .objects_ptr = (uintptr_t)objects };
	struct atomic atomic = { 0 };

	gpu_ioctl(fd, DRM_IOCTL_MODE_GET_LEASE, &get);
	gpu_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &allow);
	atomic_add_plane(&atomic, &screen->pipe, 0,
			 screen->frames[random_below(&racer->random, screen->frame_count)].framebuffer, 0, 0,
			 SCREEN_WIDTH, SCREEN_HEIGHT);
	if (atomic_commit(fd, &atomic, DRM_MODE_ATOMIC_NONBLOCK) == 0)
		screen->leased++;
}

/*
 * Another thread may hold a lease already (EBUSY). The lease ends with its descriptor, or is
 * revoked.
 */
void lease(struct racer *racer)
{
	struct screen *screen = racer->shared;
	const struct pipe *pipe = &screen->pipe;
	uint32_t lessees[16];
	uint32_t objects[LEASED] = { pipe->crtc_id, pipe->connector_id, pipe->planes[0].id,
				     pipe->planes[1].id };
	struct drm_mode_create_lease create = {
		.object_ids = (uintptr_t)objects,
		.object_count = pipe->plane_count > 1 ? LEASED : LEASED - 1,
		.flags = O_CLOEXEC,
	};
	struct drm_mode_list_lessees list = { .count_lessees = 16,
					      .lessees_ptr = (uintptr_t)lessees };
	struct drm_mode_revoke_lease revoke = { 0 };

	if (gpu_ioctl(screen->fd, DRM_IOCTL_MODE_CREATE_LEASE, &create) < 0)
		return;
	use_lease(racer, (int)create.fd);
	gpu_ioctl(screen->fd, DRM_IOCTL_MODE_LIST_LESSEES, &list);
	revoke.lessee_id = create.lessee_id;
	if (random_below(&racer->random, 2))
		gpu_ioctl(screen->fd, DRM_IOCTL_MODE_REVOKE_LEASE, &revoke);
	use_lease(racer, (int)create.fd);
	close((int)create.fd);
}

static void set_cursor(struct racer *racer, const struct canvas *canvas)
{
	struct screen *screen = racer->shared;
	struct drm_mode_cursor2 cursor = {
		.flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE,
		.crtc_id = screen->pipe.crtc_id,
		.x = (int)random_below(&racer->random, SCREEN_WIDTH),
		.y = (int)random_below(&racer->random, SCREEN_HEIGHT),
		.width = SPRITE_SIDE,
		.height = SPRITE_SIDE,
		.handle = canvas->handle,
	};

	gpu_ioctl(screen->fd, DRM_IOCTL_MODE_CURSOR2, &cursor);
}

/* A buffer becomes the cursor, is closed while it is shown, and stops being the cursor. */
void show_cursor(struct racer *racer)
{
	const struct screen *screen = racer->shared;
	struct canvas canvas;

	if (!canvas_create(screen->fd, SPRITE_SIDE, SPRITE_SIDE, &canvas))
		workload_fail("create a cursor");
	set_cursor(racer, &canvas);
	canvas_destroy(screen->fd, &canvas);
	canvas.handle = 0;
	set_cursor(racer, &canvas);
}

/* Flips and sets a mode as programs did before atomic commits. */
void use_old_calls(struct racer *racer)
{
	struct screen *screen = racer->shared;
	struct display display = { .connector_id = screen->pipe.connector_id,
				   .crtc_id = screen->pipe.crtc_id, .mode = screen->mode };
	uint32_t framebuffer = screen->frames[random_below(&racer->random, screen->frame_count)].framebuffer;
	struct drm_mode_crtc_page_flip flip = { .crtc_id = display.crtc_id, .fb_id = framebuffer,
						.flags = DRM_MODE_PAGE_FLIP_EVENT };

	pthread_rwlock_rdlock(&screen->undisturbed);
	gpu_ioctl(screen->fd, DRM_IOCTL_MODE_PAGE_FLIP, &flip);
	if (random_below(&racer->random, 4) == 0)
		display_show(screen->fd, &display, framebuffer);
	pthread_rwlock_unlock(&screen->undisturbed);
	drain_events(screen->fd);
}

static int open_checksums(const struct screen *screen, const char *name, int flags)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%u/crtc-0/crc/%s", screen->minor, name);
	return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

/*
 * The composer sums every frame while a thread reads (only one can: EBUSY). It is switched on
 * and off while no CRTC is switched, since vkms would otherwise count the vblanks that it was
 * refused (docs/found.md).
 */
void read_checksums(struct racer *racer)
{
	struct screen *screen = racer->shared;
	const char *source = random_below(&racer->random, 2) ? "auto" : "none";
	int control = open_checksums(screen, "control", O_RDWR);
	struct pollfd ready = { .events = POLLIN };
	char text[512];

	if (control < 0)
		return;
	if (read(control, text, sizeof(text)) < 0 || write(control, source, strlen(source)) < 0 ||
	    write(control, "auto", 4) < 0)
		errno = 0;
	close(control);
	screen_hold(screen);
	ready.fd = open_checksums(screen, "data", O_RDONLY);
	screen_release(screen);
	if (ready.fd < 0)
		return;
	for (int i = 0; i < 4 && poll(&ready, 1, 30) == 1; i++)
		if (read(ready.fd, text, sizeof(text)) > 0)
			screen->checksums++;
	screen_hold(screen);
	close(ready.fd);
	screen_release(screen);
}
