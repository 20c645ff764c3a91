/* SPDX-License-Identifier: MIT */
/*
 * Atomic modesetting (DRM_IOCTL_MODE_ATOMIC): finds properties by name, and makes requests for
 * several objects.
 */
#ifndef SPLAT_ATOMIC_H
#define SPLAT_ATOMIC_H

#include "gpu.h"

#define ATOMIC_VALUES_MAX 48
#define PLANES_MAX 4

enum plane_property {
	PLANE_FB, PLANE_CRTC, PLANE_X, PLANE_Y, PLANE_WIDTH, PLANE_HEIGHT,
	PLANE_SOURCE_X, PLANE_SOURCE_Y, PLANE_SOURCE_WIDTH, PLANE_SOURCE_HEIGHT, PLANE_IN_FENCE,
	PLANE_PROPERTIES
};

struct plane {
	uint32_t id;
	uint32_t properties[PLANE_PROPERTIES];
};

/* A CRTC with the objects that it can show. An id is 0 if the driver has no such object. */
struct pipe {
	uint32_t crtc_id, crtc_active, crtc_mode, crtc_out_fence;
	uint32_t connector_id, connector_crtc;
	uint32_t writeback_id, writeback_crtc, writeback_fb, writeback_out_fence;
	struct plane planes[PLANES_MAX]; /* the primary one first */
	uint32_t plane_count;
};

/* The values of a request, sorted by object. */
struct atomic {
	uint32_t objects[ATOMIC_VALUES_MAX], counts[ATOMIC_VALUES_MAX];
	uint32_t properties[ATOMIC_VALUES_MAX];
	uint64_t values[ATOMIC_VALUES_MAX];
	uint32_t object_count, value_count;
};

/*
 * Finds the planes, the connector and the writeback connector of the first CRTC. False with
 * errno set on failure.
 */
bool pipe_find(int fd, struct pipe *pipe);

/*
 * Adds one value; the values of one object must be added one after another. A property with the
 * id 0 is left out.
 */
void atomic_add(struct atomic *atomic, uint32_t object, uint32_t property, uint64_t value);

/* Adds all values of a plane: it shows a framebuffer in its own size, at x and y of the CRTC. */
void atomic_add_plane(struct atomic *atomic, const struct pipe *pipe, uint32_t plane,
		      uint32_t framebuffer, int x, int y, uint32_t width, uint32_t height);

/*
 * Returns 0, or -1 with errno set: EBUSY if an earlier commit is under way and this one may not
 * wait.
 */
int atomic_commit(int fd, const struct atomic *atomic, uint32_t flags);

/* Makes a blob of a mode. Returns its id; 0 with errno set on failure. */
uint32_t mode_blob(int fd, const struct drm_mode_modeinfo *mode);

#endif
