// SPDX-License-Identifier: MIT
#include "layers.h"

#include "files.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

bool disk_find(const char *serial, char *path, size_t size)
{
	/*
	 * The order in which disks appear is not defined, so the disk is found by its serial
	 * number.
	 */
	DIR *disks = opendir("/sys/block");
	bool found = false;
	struct dirent *disk;

	if (disks == NULL)
		return false;
	while (!found && (disk = readdir(disks)) != NULL) {
		char file[PATH_MAX], text[32];

		snprintf(file, sizeof(file), "/sys/block/%s/serial", disk->d_name);
		found = read_file(file, text, sizeof(text)) && strcmp(text, serial) == 0;
		if (found)
			snprintf(path, size, "/dev/%s", disk->d_name);
	}
	closedir(disks);
	return found;
}

const char *layers_mount(const char *device, const char *below)
{
	char image[64], layer[64], upper[80], work[80], root[64], options[320];

	snprintf(image, sizeof(image), "%s/image", below);
	snprintf(layer, sizeof(layer), "%s/layer", below);
	snprintf(upper, sizeof(upper), "%s/upper", layer);
	snprintf(work, sizeof(work), "%s/work", layer);
	snprintf(root, sizeof(root), "%s/root", below);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", image, upper, work);
	mkdir(below, 0755);
	mkdir(image, 0755);
	mkdir(layer, 0755);
	mkdir(root, 0755);
	if (mount(device, image, "erofs", MS_RDONLY, NULL) < 0)
		return "erofs";
	if (mount("tmpfs", layer, "tmpfs", 0, "mode=0755") < 0)
		return "tmpfs";
	mkdir(upper, 0755);
	mkdir(work, 0755);
	return mount("overlay", root, "overlay", 0, options) < 0 ? "overlay" : NULL;
}
