/* SPDX-License-Identifier: MIT */
/* What the processes of the virtio-gpu workload share: the card, and a pool of canvases. */
#ifndef SPLAT_VIRTIO_GPU_H
#define SPLAT_VIRTIO_GPU_H

#include "gpu.h"
#include "workload.h"

#define GPU_DRIVER "virtio_gpu"
#define POOL_CANVASES 4

struct pool {
	int fd;				/* the card, which all processes share through fork() */
	struct canvas canvases[POOL_CANVASES];
	int prime_fds[POOL_CANVASES];	/* the same buffers as dma-bufs */
};

/*
 * The life of a process that draws into shared canvases while it unmaps, destroys and frames
 * them, until the workload's time is over. Stream number `index` of the seed makes its
 * decisions. Exits on failure.
 */
void share_canvases(const struct pool *pool, const struct workload *workload, unsigned index);

/* The life of a process that makes the kernel reclaim memory all the time. */
void press_memory(const struct workload *workload);

#endif
