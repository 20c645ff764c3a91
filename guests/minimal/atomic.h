/* SPDX-License-Identifier: MIT */
/* Atomic modesetting (DRM_IOCTL_MODE_ATOMIC): properties by name, and requests of several objects. */
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

/* One CRTC with what can be shown on it; an id is 0 where the driver has no such thing. */
struct pipe {
	uint32_t crtc_id, crtc_active, crtc_mode, crtc_out_fence;
	uint32_t connector_id, connector_crtc;
	uint32_t writeback_id, writeback_crtc, writeback_fb, writeback_out_fence;
	struct plane planes[PLANES_MAX]; /* the primary one first */
	uint32_t plane_count;
};

/* Values in the order of their objects. */
struct atomic {
	uint32_t objects[ATOMIC_VALUES_MAX], counts[ATOMIC_VALUES_MAX];
	uint32_t properties[ATOMIC_VALUES_MAX];
	uint64_t values[ATOMIC_VALUES_MAX];
	uint32_t object_count, value_count;
};

/* Asks for all planes and writeback connectors, and finds the first CRTC's. False with errno set. */
bool pipe_find(int fd, struct pipe *pipe);

/* Adds one value; those of an object follow one another. A property of 0 is left out. */
void atomic_add(struct atomic *atomic, uint32_t object, uint32_t property, uint64_t value);

/* The whole plane: a rectangle of a framebuffer at its own size, at x and y of the CRTC. */
void atomic_add_plane(struct atomic *atomic, const struct pipe *pipe, uint32_t plane,
		      uint32_t framebuffer, int x, int y, uint32_t width, uint32_t height);

/* 0 or -1 with errno set: EBUSY where an earlier commit is under way and this one may not wait. */
int atomic_commit(int fd, const struct atomic *atomic, uint32_t flags);

/* A mode as a blob; 0 with errno set on failure. */
uint32_t mode_blob(int fd, const struct drm_mode_modeinfo *mode);

#endif
