// SPDX-License-Identifier: MIT
#include "fences.h"

#include "files.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <unistd.h>

#define POINTS 4
#define WAIT_NS 10000000ll

void sync_objects_find(struct fences *fences)
{
	fences->objects_fd = -1;
	for (int i = 0; i < CARDS_LENDING; i++) {
		struct drm_get_cap capability = { .capability = DRM_CAP_SYNCOBJ_TIMELINE };

		if (gpu_ioctl(fences->lenders.devices[i], DRM_IOCTL_GET_CAP, &capability) == 0 &&
		    capability.value == 1)
			fences->objects_fd = fences->lenders.devices[i];
	}
}

static uint32_t create(int fd)
{
	struct drm_syncobj_create request = { 0 };

	if (gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_CREATE, &request) < 0)
		workload_fail("create a sync object");
	return request.handle;
}

static void destroy(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy request = { .handle = handle };

	gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &request);
}

static void import_into(int fd, uint32_t object, int sync_fd)
{
	struct drm_syncobj_handle request = {
		.handle = object,
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
		.fd = sync_fd,
	};

	if (gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &request) < 0)
		workload_fail("import a sync file into a sync object");
	close(sync_fd);
}

/*
 * Moves the fence of the binary object to a point of the timeline, which makes a link of a
 * chain.
 */
static void move_to_point(int fd, uint32_t binary, uint32_t timeline, uint64_t point)
{
	struct drm_syncobj_transfer request = { .src_handle = binary, .dst_handle = timeline,
						.dst_point = point };

	if (gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_TRANSFER, &request) < 0)
		workload_fail("move a fence to point %llu", (unsigned long long)point);
}

static void signal_point(int fd, uint32_t timeline, uint64_t point)
{
	struct drm_syncobj_timeline_array request = {
		.handles = (uintptr_t)&timeline, .points = (uintptr_t)&point, .count_handles = 1
	};

	if (gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &request) < 0)
		workload_fail("signal point %llu", (unsigned long long)point);
}

static void wait_for_point(int fd, uint32_t timeline, uint64_t point, uint32_t flags)
{
	struct drm_syncobj_timeline_wait request = {
		.handles = (uintptr_t)&timeline,
		.points = (uintptr_t)&point,
		.timeout_nsec = (int64_t)monotonic_ns() + WAIT_NS,
		.count_handles = 1,
		.flags = flags,
	};

	if (gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &request) < 0 && errno != ETIME)
		workload_fail("wait for point %llu", (unsigned long long)point);
}

static void export_and_query(int fd, uint32_t binary, uint32_t timeline)
{
	uint64_t point = 0;
	struct drm_syncobj_timeline_array query = {
		.handles = (uintptr_t)&timeline, .points = (uintptr_t)&point, .count_handles = 1
	};
	struct drm_syncobj_handle request = {
		.handle = binary, .flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
	};

	if (gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_QUERY, &query) < 0 ||
	    gpu_ioctl(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &request) < 0)
		workload_fail("query a sync object");
	close(request.fd);
}

void use_sync_objects(struct racer *racer)
{
	struct fences *fences = racer->shared;
	int fd = fences->objects_fd;
	uint32_t binary, timeline;

	if (fd < 0)
		return;
	binary = create(fd);
	timeline = create(fd);
	for (uint64_t point = 1; point <= POINTS; point++) {
		if (random_below(&racer->random, 3) == 0) {
			signal_point(fd, timeline, point);
			continue;
		}
		import_into(fd, binary, pace_fence(&fences->pace, &racer->random));
		move_to_point(fd, binary, timeline, point);
	}
	import_into(fd, binary, pace_fence(&fences->pace, &racer->random));
	export_and_query(fd, binary, timeline);
	wait_for_point(fd, timeline, 1 + random_below(&racer->random, POINTS),
		       DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT);
	/* Nobody will submit this point, so the wait for a submission lasts until its timeout. */
	if (random_below(&racer->random, 4) == 0)
		wait_for_point(fd, timeline, POINTS + 1, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT);
	destroy(fd, timeline);
	destroy(fd, binary);
	fences->objects++;
}
