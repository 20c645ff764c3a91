/*
 * What a person writes who suspects the unmapping of a virtio-gpu buffer: asks for the modes of a
 * connector, then maps and unmaps a dumb buffer.
 */
#if __has_include(<libdrm/drm.h>)
#include <libdrm/drm.h>
#else
#include <drm/drm.h>
#endif

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static int open_card(void)
{
	for (int card = 0; card < 8; card++) {
		char path[32], name[16] = "";
		struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", card);
		fd = open(path, O_RDWR);
		if (fd >= 0 && ioctl(fd, DRM_IOCTL_VERSION, &version) == 0 &&
		    strcmp(name, "virtio_gpu") == 0)
			return fd;
	}
	return -1;
}

static int ask_modes(int fd)
{
	static struct drm_mode_modeinfo modes[64];
	uint32_t connector_id = 0;
	struct drm_mode_card_res resources = { .connector_id_ptr = (uintptr_t)&connector_id,
					       .count_connectors = 1 };
	struct drm_mode_get_connector connector = { 0 };

	if (ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &resources) < 0)
		return -1;
	connector.connector_id = connector_id;
	if (ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector) < 0)
		return -1;
	connector.count_props = connector.count_encoders = 0;
	connector.modes_ptr = (uintptr_t)modes;
	return ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &connector);
}

int main(void)
{
	struct drm_mode_create_dumb create = { .width = 64, .height = 64, .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };
	int fd = open_card();
	void *pixels;

	if (fd < 0) {
		puts("skip: no virtio-gpu");
		return 4;
	}
	if (ask_modes(fd) < 0 || ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) < 0)
		return 1;
	map.handle = create.handle;
	if (ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
		return 1;
	pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
	if (pixels == MAP_FAILED)
		return 1;
	memset(pixels, 1, create.size);
	return munmap(pixels, create.size);
}
