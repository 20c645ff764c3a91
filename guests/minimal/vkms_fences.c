// SPDX-License-Identifier: MIT
#include "vkms.h"

#include "fence.h"
#include "random.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <unistd.h>

#define SHOWN_MS 20000
#define WRITTEN_MS 150

/*
 * Waits for the fence first, which another thread signals: otherwise a commit might wait for a
 * fence that waits for the commit.
 */
void flip_with_fences(struct racer *racer)
{
	struct screen *screen = racer->shared;
	const struct pipe *pipe = &screen->pipe;
	int in_fence = pace_fence(&screen->pace, &racer->random);
	int32_t out_fence = -1;
	struct atomic atomic = { 0 };
	uint64_t frame = random_below(&racer->random, screen->frame_count);
	bool shown;

	if (random_below(&racer->random, 4) == 0)
		pace_replace(&screen->pace, &racer->random, random_below(&racer->random, 2));
	atomic_add_plane(&atomic, pipe, 0, screen->frames[frame].framebuffer, 0, 0, SCREEN_WIDTH,
			 SCREEN_HEIGHT);
	atomic_add(&atomic, pipe->planes[0].id, pipe->planes[0].properties[PLANE_IN_FENCE],
		   (uint64_t)in_fence);
	atomic_add(&atomic, pipe->crtc_id, pipe->crtc_out_fence, (uintptr_t)&out_fence);
	shown = show(screen, &atomic,
		     random_below(&racer->random, 4) ? DRM_MODE_ATOMIC_NONBLOCK : 0);
	close(in_fence);
	if (shown) {
		screen->fenced++;
		if (random_below(&racer->random, 2) && !fence_wait(out_fence, SHOWN_MS))
			workload_fail("a commit's fence stayed busy");
		close(out_fence);
	}
}

/* The fence is in the buffer, like that of a driver that still draws into it. */
void flip_behind_buffer(struct racer *racer)
{
	struct screen *screen = racer->shared;
	const struct frame *frame =
		&screen->frames[random_below(&racer->random, screen->frame_count)];
	struct dma_buf_import_sync_file request = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = pace_fence(&screen->pace, &racer->random)
	};
	struct atomic atomic = { 0 };

	gpu_ioctl(frame->buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request);
	close(request.fd);
	atomic_add_plane(&atomic, &screen->pipe, 0, frame->framebuffer, 0, 0, SCREEN_WIDTH,
			 SCREEN_HEIGHT);
	show(screen, &atomic, DRM_MODE_ATOMIC_NONBLOCK);
}

/*
 * Holds up further commits until the frame is written: when a later commit replaces this one
 * before it is shown, the frame is never written, and nothing reports that (docs/found.md).
 */
void write_back(struct racer *racer)
{
	struct screen *screen = racer->shared;
	const struct pipe *pipe = &screen->pipe;
	uint32_t which = (uint32_t)random_below(&racer->random, WRITTEN);
	uint32_t flags = DRM_MODE_ATOMIC_ALLOW_MODESET;
	struct atomic atomic = { 0 };
	int32_t out_fence = -1;

	if (pipe->writeback_id == 0)
		return;
	if (screen->races && random_below(&racer->random, 2))
		flags |= DRM_MODE_ATOMIC_NONBLOCK;
	if (screen->writes_alone)
		atomic_add(&atomic, pipe->connector_id, pipe->connector_crtc, 0);
	atomic_add(&atomic, pipe->writeback_id, pipe->writeback_crtc, pipe->crtc_id);
	atomic_add(&atomic, pipe->writeback_id, pipe->writeback_fb,
		   screen->written[which].framebuffer);
	atomic_add(&atomic, pipe->writeback_id, pipe->writeback_out_fence, (uintptr_t)&out_fence);
	choose_planes(racer, &atomic);
	screen_hold(screen);
	if (atomic_commit(screen->fd, &atomic, flags) == 0) {
		if (fence_wait(out_fence, WRITTEN_MS))
			screen->written_back++;
		close(out_fence);
	}
	screen_release(screen);
}
