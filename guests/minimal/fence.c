// SPDX-License-Identifier: MIT
#include "fence.h"

#include "gpu.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>

/* libdrm does not install vgem_drm.h, so its structs are repeated here. */
struct vgem_attach {
	uint32_t handle;
	uint32_t flags; /* 1: a write */
	uint32_t fence; /* out */
	uint32_t pad;
};

struct vgem_signal {
	uint32_t fence;
	uint32_t flags;
};

#define VGEM_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 1, struct vgem_attach)
#define VGEM_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 2, struct vgem_signal)

bool fence_attach(int vgem_fd, uint32_t handle, uint32_t *fence)
{
	struct vgem_attach attach = { .handle = handle, .flags = 1 };

	if (gpu_ioctl(vgem_fd, VGEM_ATTACH, &attach) < 0)
		return false;
	*fence = attach.fence;
	return true;
}

bool fence_signal(int vgem_fd, uint32_t fence)
{
	struct vgem_signal request = { .fence = fence };

	return gpu_ioctl(vgem_fd, VGEM_SIGNAL, &request) == 0;
}

int fence_export(int prime_fd)
{
	struct dma_buf_export_sync_file request = { .flags = DMA_BUF_SYNC_RW };

	return gpu_ioctl(prime_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) < 0 ? -1 : request.fd;
}

int fence_merge(int sync_fd, int other_fd)
{
	struct sync_merge_data request = { .name = "merged", .fd2 = other_fd };

	return gpu_ioctl(sync_fd, SYNC_IOC_MERGE, &request) < 0 ? -1 : request.fence;
}

bool fence_wait(int sync_fd, int timeout_ms)
{
	struct pollfd signalled = { .fd = sync_fd, .events = POLLIN };
	int result;

	/* A signal ends poll() even if its handler was installed with SA_RESTART (signal(7)). */
	do
		result = poll(&signalled, 1, timeout_ms);
	while (result < 0 && errno == EINTR);
	return result == 1;
}
