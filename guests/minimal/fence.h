/* SPDX-License-Identifier: MIT */
/* Fences of vgem and sync files, as the kernel's uapi headers vgem_drm.h, dma-buf.h and sync_file.h have them. */
#ifndef SPLAT_FENCE_H
#define SPLAT_FENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Attaches an unsignalled write fence to a buffer, by its handle in a vgem file; the kernel signals
 * it after 10 s if nobody does. False with errno set; EBUSY: it has an unsignalled one already.
 */
bool fence_attach(int vgem_fd, uint32_t handle, uint32_t *fence);
bool fence_signal(int vgem_fd, uint32_t fence);

/* A sync file of what a dma-buf's next writer has to wait for; -1 with errno set (Linux 6.0). */
int fence_export(int prime_fd);

/* One sync file of two; -1 with errno set. */
int fence_merge(int sync_fd, int other_fd);

/* Whether a sync file is signalled within so long. */
bool fence_wait(int sync_fd, int timeout_ms);

#endif
