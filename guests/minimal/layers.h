/* SPDX-License-Identifier: MIT */
/*
 * Root file systems on read-only disks: an EROFS image, and a layer in memory that takes what
 * is written.
 */
#ifndef SPLAT_LAYERS_H
#define SPLAT_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the path of the disk with that serial number; false when there is none. */
bool disk_find(const char *serial, char *path, size_t size);

/*
 * Mounts the image on a device at BELOW/root, by way of BELOW/image and BELOW/layer; all three
 * folders are made. Returns NULL, or the name of what could not be mounted, with errno set:
 * ENODEV if the kernel lacks that file system (mount(2)).
 */
const char *layers_mount(const char *device, const char *below);

#endif
