// SPDX-License-Identifier: MIT
#include "atomic.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define PROPERTIES_MAX 64
#define IDS_MAX 16

static const char *const plane_property_names[PLANE_PROPERTIES] = {
	[PLANE_FB] = "FB_ID",		    [PLANE_CRTC] = "CRTC_ID",
	[PLANE_X] = "CRTC_X",		    [PLANE_Y] = "CRTC_Y",
	[PLANE_WIDTH] = "CRTC_W",	    [PLANE_HEIGHT] = "CRTC_H",
	[PLANE_SOURCE_X] = "SRC_X",	    [PLANE_SOURCE_Y] = "SRC_Y",
	[PLANE_SOURCE_WIDTH] = "SRC_W",	    [PLANE_SOURCE_HEIGHT] = "SRC_H",
	[PLANE_IN_FENCE] = "IN_FENCE_FD",
};

/*
 * The id of a property of an object, and the property's value; 0 if the object has no property
 * of that name.
 */
static uint32_t find_property(int fd, uint32_t object, uint32_t type, const char *name,
			      uint64_t *value)
{
	uint32_t ids[PROPERTIES_MAX];
	uint64_t values[PROPERTIES_MAX];
	struct drm_mode_obj_get_properties of_object = {
		.props_ptr = (uintptr_t)ids, .prop_values_ptr = (uintptr_t)values,
		.count_props = PROPERTIES_MAX, .obj_id = object, .obj_type = type,
	};

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &of_object) < 0)
		return 0;
	for (uint32_t i = 0; i < of_object.count_props && i < PROPERTIES_MAX; i++) {
		struct drm_mode_get_property property = { .prop_id = ids[i] };

		if (gpu_ioctl(fd, DRM_IOCTL_MODE_GETPROPERTY, &property) < 0 ||
		    strcmp(property.name, name) != 0)
			continue;
		if (value)
			*value = values[i];
		return ids[i];
	}
	return 0;
}

static bool find_planes(int fd, struct pipe *pipe)
{
	uint32_t ids[IDS_MAX];
	struct drm_mode_get_plane_res planes = { .plane_id_ptr = (uintptr_t)ids,
						 .count_planes = IDS_MAX };

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_GETPLANERESOURCES, &planes) < 0)
		return false;
	for (uint32_t i = 0; i < planes.count_planes && i < IDS_MAX; i++) {
		struct plane plane = { .id = ids[i] };
		uint64_t type = 0;

		for (int p = 0; p < PLANE_PROPERTIES; p++)
			plane.properties[p] = find_property(fd, ids[i], DRM_MODE_OBJECT_PLANE,
							    plane_property_names[p], NULL);
		find_property(fd, ids[i], DRM_MODE_OBJECT_PLANE, "type", &type);
		if (pipe->plane_count == PLANES_MAX)
			break;
		/* The type 1 means a primary plane (drm_plane.h, DRM_PLANE_TYPE_PRIMARY). */
		if (type == 1) {
			pipe->planes[pipe->plane_count++] = pipe->planes[0];
			pipe->planes[0] = plane;
		} else {
			pipe->planes[pipe->plane_count++] = plane;
		}
	}
	errno = ENODEV;
	return pipe->plane_count > 0;
}

static void find_connector(int fd, uint32_t id, struct pipe *pipe)
{
	struct drm_mode_get_connector connector = { .connector_id = id };

	if (gpu_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector) < 0)
		return;
	if (connector.connector_type == DRM_MODE_CONNECTOR_WRITEBACK) {
		pipe->writeback_id = id;
		pipe->writeback_crtc = find_property(fd, id, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", NULL);
		pipe->writeback_fb = find_property(fd, id, DRM_MODE_OBJECT_CONNECTOR,
						   "WRITEBACK_FB_ID", NULL);
		pipe->writeback_out_fence = find_property(fd, id, DRM_MODE_OBJECT_CONNECTOR,
							  "WRITEBACK_OUT_FENCE_PTR", NULL);
	} else if (connector.connection == 1 && pipe->connector_id == 0) {
		pipe->connector_id = id;
		pipe->connector_crtc = find_property(fd, id, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", NULL);
	}
}

static bool allow(int fd, uint64_t capability)
{
	struct drm_set_client_cap request = { .capability = capability, .value = 1 };

	return gpu_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &request) == 0;
}

bool pipe_find(int fd, struct pipe *pipe)
{
	uint32_t crtcs[IDS_MAX], connectors[IDS_MAX];
	struct drm_mode_card_res resources = {
		.crtc_id_ptr = (uintptr_t)crtcs,
		.count_crtcs = IDS_MAX,
		.connector_id_ptr = (uintptr_t)connectors,
		.count_connectors = IDS_MAX,
	};

	*pipe = (struct pipe){ 0 };
	if (!allow(fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES) || !allow(fd, DRM_CLIENT_CAP_ATOMIC))
		return false;
	allow(fd, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS);
	if (gpu_ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0 || !find_planes(fd, pipe))
		return false;
	for (uint32_t i = 0; i < resources.count_connectors && i < IDS_MAX; i++)
		find_connector(fd, connectors[i], pipe);
	pipe->crtc_id = crtcs[0];
	pipe->crtc_active = find_property(fd, crtcs[0], DRM_MODE_OBJECT_CRTC, "ACTIVE", NULL);
	pipe->crtc_mode = find_property(fd, crtcs[0], DRM_MODE_OBJECT_CRTC, "MODE_ID", NULL);
	pipe->crtc_out_fence = find_property(fd, crtcs[0], DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR", NULL);
	errno = ENODEV;
	return resources.count_crtcs > 0 && pipe->connector_id != 0;
}

void atomic_add(struct atomic *atomic, uint32_t object, uint32_t property, uint64_t value)
{
	uint32_t last = atomic->object_count;

	if (property == 0 || atomic->value_count == ATOMIC_VALUES_MAX)
		return;
	if (last == 0 || atomic->objects[last - 1] != object) {
		atomic->objects[last] = object;
		atomic->counts[last] = 0;
		last = ++atomic->object_count;
	}
	atomic->counts[last - 1]++;
	atomic->properties[atomic->value_count] = property;
	atomic->values[atomic->value_count++] = value;
}

void atomic_add_plane(struct atomic *atomic, const struct pipe *pipe, uint32_t plane,
		      uint32_t framebuffer, int x, int y, uint32_t width, uint32_t height)
{
	const struct plane *of = &pipe->planes[plane];
	uint64_t values[PLANE_PROPERTIES] = {
		[PLANE_FB] = framebuffer,
		[PLANE_CRTC] = framebuffer == 0 ? 0 : pipe->crtc_id,
		[PLANE_X] = (uint64_t)(int64_t)x,
		[PLANE_Y] = (uint64_t)(int64_t)y,
		[PLANE_WIDTH] = width,
		[PLANE_HEIGHT] = height,
		[PLANE_SOURCE_WIDTH] = (uint64_t)width << 16,
		[PLANE_SOURCE_HEIGHT] = (uint64_t)height << 16,
	};

	for (int p = 0; p < PLANE_IN_FENCE; p++)
		atomic_add(atomic, of->id, of->properties[p], values[p]);
}

int atomic_commit(int fd, const struct atomic *atomic, uint32_t flags)
{
	struct drm_mode_atomic request = {
		.flags = flags,
		.count_objs = atomic->object_count,
		.objs_ptr = (uintptr_t)atomic->objects,
		.count_props_ptr = (uintptr_t)atomic->counts,
		.props_ptr = (uintptr_t)atomic->properties,
		.prop_values_ptr = (uintptr_t)atomic->values,
	};

	return gpu_ioctl(fd, DRM_IOCTL_MODE_ATOMIC, &request);
}

uint32_t mode_blob(int fd, const struct drm_mode_modeinfo *mode)
{
	struct drm_mode_create_blob request = { .data = (uintptr_t)mode, .length = sizeof(*mode) };

	return gpu_ioctl(fd, DRM_IOCTL_MODE_CREATEPROPBLOB, &request) < 0 ? 0 : request.blob_id;
}
