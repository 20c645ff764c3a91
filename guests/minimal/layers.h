/* SPDX-License-Identifier: MIT */
/* Root file systems on read-only disks: an EROFS image, with a layer in memory for what is written. */
#ifndef SPLAT_LAYERS_H
#define SPLAT_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the device of the disk with that serial number to path; false when there is none. */
bool disk_find(const char *serial, char *path, size_t size);

/*
 * Mounts the image on that device at BELOW/root, through BELOW/image and BELOW/layer, which are
 * made. Returns NULL, or what could not be mounted, with errno set: ENODEV where the kernel has
 * no such file system (mount(2)).
 */
const char *layers_mount(const char *device, const char *below);

#endif
