/* SPDX-License-Identifier: MIT */
/*
 * Fences of vgem, and sync files, as in the kernel's headers vgem_drm.h, dma-buf.h and
 * sync_file.h.
 */
#ifndef SPLAT_FENCE_H
#define SPLAT_FENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Attaches an unsignalled write fence to a buffer, by the buffer's handle in a vgem file. The
 * kernel signals it after 10 s if nobody does. False with errno set; EBUSY if the buffer has an
 * unsignalled fence already.
 */
bool fence_attach(int vgem_fd, uint32_t handle, uint32_t *fence);
bool fence_signal(int vgem_fd, uint32_t fence);

/*
 * A sync file of the fences that the next writer of a dma-buf has to wait for; -1 with errno
 * set (needs Linux 6.0).
 */
int fence_export(int prime_fd);

/* Merges two sync files into one; -1 with errno set. */
int fence_merge(int sync_fd, int other_fd);

/* True if a sync file is signalled within the timeout. */
bool fence_wait(int sync_fd, int timeout_ms);

#endif
