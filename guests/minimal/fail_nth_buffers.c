// SPDX-License-Identifier: MIT
/*
 * Calls of GPU drivers and other exporters of buffers, for fail-nth. fds[0] is the card or the
 * device.
 */
#include "fail_nth.h"
#include "gpu.h"

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define WIDTH 64u
#define HEIGHT 64u
#define MEMFD_BYTES 16384u

/* What the present stage uses; only one call is made at a time. */
static struct canvas canvas;
static uint32_t framebuffer;

static bool have_card(struct stage *stage, const char *driver)
{
	memset(&canvas, 0, sizeof(canvas));
	framebuffer = 0;
	stage->fds[0] = gpu_open(driver);
	return stage->fds[0] >= 0;
}

static bool have_virtio(struct stage *stage)
{
	return have_card(stage, "virtio_gpu");
}

static bool have_virtio_canvas(struct stage *stage)
{
	return have_virtio(stage) && canvas_create(stage->fds[0], WIDTH, HEIGHT, &canvas);
}

static bool have_framebuffer(struct stage *stage)
{
	return have_virtio_canvas(stage) &&
	       canvas_add_framebuffer(stage->fds[0], &canvas, &framebuffer);
}

/*
 * Ids begin with 1, so an id that is one more than a multiple of this is the first in a new
 * node of the table (XA_CHUNK_SIZE).
 */
#define NODE_IDS 64u

/* Makes so many framebuffers that the id of the next one needs memory, too. */
static bool have_framebuffers(struct stage *stage)
{
	bool added = have_virtio_canvas(stage);

	for (unsigned i = 0; added && i < 2 * NODE_IDS; i++) {
		added = canvas_add_framebuffer(stage->fds[0], &canvas, &framebuffer);
		if (framebuffer % NODE_IDS == 0)
			break;
	}
	return added;
}

static bool have_exported(struct stage *stage)
{
	return have_virtio_canvas(stage) &&
	       canvas_export(stage->fds[0], &canvas, &stage->fds[1]);
}

/* A buffer of vgem, which virtio-gpu and vkms can import. */
static bool have_lent(struct stage *stage, const char *borrower)
{
	if (!have_card(stage, "vgem") || !canvas_create(stage->fds[0], WIDTH, HEIGHT, &canvas) ||
	    !canvas_export(stage->fds[0], &canvas, &stage->fds[1]))
		return false;
	stage->fds[2] = gpu_open(borrower);
	return stage->fds[2] >= 0;
}

static bool have_lent_to_virtio(struct stage *stage)
{
	return have_lent(stage, "virtio_gpu");
}

static bool have_lent_to_vkms(struct stage *stage)
{
	return have_lent(stage, "vkms");
}

static bool have_sealed_memory(struct stage *stage)
{
	stage->fds[0] = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	stage->fds[1] = memfd_create("fail-nth", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return stage->fds[0] >= 0 && stage->fds[1] >= 0 &&
	       ftruncate(stage->fds[1], MEMFD_BYTES) == 0 &&
	       fcntl(stage->fds[1], F_ADD_SEALS, F_SEAL_SHRINK) == 0;
}

static void open_card(struct stage *stage)
{
	stage->fds[1] = gpu_open("virtio_gpu");
}

static void create(struct stage *stage)
{
	canvas_create(stage->fds[0], WIDTH, HEIGHT, &canvas);
}

static void frame(struct stage *stage)
{
	canvas_add_framebuffer(stage->fds[0], &canvas, &framebuffer);
}

static void flush(struct stage *stage)
{
	framebuffer_flush(stage->fds[0], framebuffer);
}

static void draw(struct stage *stage)
{
	uint32_t *pixels = canvas_map(stage->fds[0], &canvas);

	if (!pixels)
		return;
	pixels[0] = 1;
	munmap(pixels, canvas.bytes);
}

static void export(struct stage *stage)
{
	canvas_export(stage->fds[0], &canvas, &stage->fds[1]);
}

static void borrow(struct stage *stage)
{
	uint32_t handle;

	if (canvas_import(stage->fds[2], stage->fds[1], &handle))
		stage->number = handle;
}

static void export_fence(struct stage *stage)
{
	struct {
		uint32_t flags;
		int32_t fd;
	} request = { .flags = DMA_BUF_SYNC_RW, .fd = -1 };

	/* DMA_BUF_IOCTL_EXPORT_SYNC_FILE, of Linux 6.0; this system's header may be older. */
	if (ioctl(stage->fds[1], _IOWR('b', 2, request), &request) == 0)
		stage->fds[2] = request.fd;
}

static void sync_buffer(struct stage *stage)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };

	ioctl(stage->fds[1], DMA_BUF_IOCTL_SYNC, &sync);
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	ioctl(stage->fds[1], DMA_BUF_IOCTL_SYNC, &sync);
}

static void *shared_memory;

static void make_udmabuf(struct stage *stage)
{
	struct udmabuf_create request = { .memfd = (uint32_t)stage->fds[1],
					  .flags = UDMABUF_FLAGS_CLOEXEC,
					  .size = MEMFD_BYTES };

	shared_memory = MAP_FAILED;
	stage->fds[2] = ioctl(stage->fds[0], UDMABUF_CREATE, &request);
	if (stage->fds[2] < 0)
		return;
	shared_memory = mmap(NULL, MEMFD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, stage->fds[2],
			     0);
	if (shared_memory != MAP_FAILED)
		*(volatile char *)shared_memory = 1;
}

/*
 * Unmaps before the call that may fail: docs/found.md tells what happens when the memfd is
 * closed first.
 */
static void unmap_udmabuf(struct stage *stage)
{
	(void)stage;
	if (shared_memory != MAP_FAILED)
		munmap(shared_memory, MEMFD_BYTES);
}

static void change_properties(struct stage *stage)
{
	uint64_t blob[4] = { 0 };
	struct drm_mode_create_blob request = { .data = (uintptr_t)blob, .length = sizeof(blob) };
	struct drm_syncobj_create fence = { 0 };

	gpu_ioctl(stage->fds[0], DRM_IOCTL_MODE_CREATEPROPBLOB, &request);
	gpu_ioctl(stage->fds[0], DRM_IOCTL_SYNCOBJ_CREATE, &fence);
}

static const struct failing_call calls[] = {
	{ "open-card", have_virtio, open_card, NULL },
	{ "create-buffer", have_virtio, create, NULL },
	{ "add-framebuffer", have_virtio_canvas, frame, NULL },
	{ "add-one-more-framebuffer", have_framebuffers, frame, NULL },
	{ "flush-framebuffer", have_framebuffer, flush, NULL },
	{ "map-buffer", have_virtio_canvas, draw, NULL },
	{ "export-buffer", have_virtio_canvas, export, NULL },
	{ "borrow-virtio", have_lent_to_virtio, borrow, NULL },
	{ "borrow-vkms", have_lent_to_vkms, borrow, NULL },
	{ "export-fence", have_exported, export_fence, NULL },
	{ "sync-buffer", have_exported, sync_buffer, NULL },
	{ "make-udmabuf", have_sealed_memory, make_udmabuf, unmap_udmabuf },
	{ "make-property", have_virtio, change_properties, NULL },
};

const struct failing_calls failing_buffer_calls = { calls, sizeof(calls) / sizeof(calls[0]),
						    sizeof(calls) / sizeof(calls[0]) };
