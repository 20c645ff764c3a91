// SPDX-License-Identifier: MIT
#include "random.h"
#include "racers.h"
#include "virtio_gpu.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 2

struct sharer {
	const struct pool *pool;
	int own_fd; /* another opening of the card, with handles of its own; not master */
};

static const struct pool *pool_of(const struct racer *racer)
{
	return ((const struct sharer *)racer->shared)->pool;
}

/* Writes one pixel of each page in a random half of the buffer. */
static void scribble(struct racer *racer, uint32_t *pixels, size_t bytes)
{
	size_t half = bytes / 2 / PAGE_BYTES * PAGE_BYTES;
	char *start = (char *)pixels + (random_below(&racer->random, 2) ? half : 0);
	uint32_t colour = (uint32_t)random_next(&racer->random);

	for (size_t at = 0; at + PAGE_BYTES <= half; at += PAGE_BYTES)
		*(volatile uint32_t *)(start + at) = colour;
}

static void unmap_in_halves(uint32_t *pixels, size_t bytes)
{
	size_t half = bytes / 2 / PAGE_BYTES * PAGE_BYTES;

	munmap(pixels, half);
	munmap((char *)pixels + half, bytes - half);
}

/*
 * Maps a buffer through the card and draws into it. Every process has it mapped at some time,
 * and unmaps only its own mapping.
 */
static void draw_through_card(struct racer *racer)
{
	const struct pool *pool = pool_of(racer);
	const struct canvas *canvas = &pool->canvases[random_below(&racer->random, POOL_CANVASES)];
	uint32_t *pixels = canvas_map(pool->fd, canvas);

	if (!pixels)
		workload_fail("map a canvas");
	scribble(racer, pixels, canvas->bytes);
	unmap_in_halves(pixels, canvas->bytes);
}

static void draw_through_dma_buf(struct racer *racer)
{
	const struct pool *pool = pool_of(racer);
	size_t which = random_below(&racer->random, POOL_CANVASES);
	size_t bytes = pool->canvases[which].bytes;
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	uint32_t *pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				pool->prime_fds[which], 0);

	if (pixels == MAP_FAILED)
		workload_fail("map a dma-buf");
	gpu_ioctl(pool->prime_fds[which], DMA_BUF_IOCTL_SYNC, &sync);
	scribble(racer, pixels, bytes);
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	gpu_ioctl(pool->prime_fds[which], DMA_BUF_IOCTL_SYNC, &sync);
	unmap_in_halves(pixels, bytes);
}

/*
 * Imports a buffer and draws into it. Two threads that import one buffer through one file get
 * the same handle, and the first to close it closes it for both; then mapping or closing fails
 * in the other, as it should.
 */
static void draw_imported(struct racer *racer)
{
	const struct sharer *sharer = racer->shared;
	size_t which = random_below(&racer->random, POOL_CANVASES);
	struct canvas canvas = sharer->pool->canvases[which];
	struct drm_gem_close close_handle = { 0 };
	uint32_t *pixels;

	if (!canvas_import(sharer->own_fd, sharer->pool->prime_fds[which], &canvas.handle))
		workload_fail("import a canvas");
	pixels = canvas_map(sharer->own_fd, &canvas);
	close_handle.handle = canvas.handle;
	gpu_ioctl(sharer->own_fd, DRM_IOCTL_GEM_CLOSE, &close_handle);
	if (!pixels)
		return;
	scribble(racer, pixels, canvas.bytes);
	munmap(pixels, canvas.bytes);
}

/*
 * Draws into a mapping that outlives its handle. The number of the handle may be one that both
 * threads had for an imported buffer: the thread that closes it second closes the new handle,
 * and then mapping or destroying the canvas fails, as it should.
 */
static void draw_destroyed(struct racer *racer)
{
	const struct sharer *sharer = racer->shared;
	uint32_t side = 64 + 32 * (uint32_t)random_below(&racer->random, 8);
	struct canvas canvas;
	uint32_t *pixels;

	if (!canvas_create(sharer->own_fd, side, side, &canvas))
		workload_fail("create a %ux%u canvas", side, side);
	pixels = canvas_map(sharer->own_fd, &canvas);
	canvas_destroy(sharer->own_fd, &canvas);
	if (!pixels)
		return;
	scribble(racer, pixels, canvas.bytes);
	munmap(pixels, canvas.bytes);
}

/* Draws in the parent while the child unmaps its copy of the mapping. */
static void draw_across_fork(struct racer *racer)
{
	const struct pool *pool = pool_of(racer);
	const struct canvas *canvas = &pool->canvases[random_below(&racer->random, POOL_CANVASES)];
	uint32_t *pixels = canvas_map(pool->fd, canvas);
	pid_t pid;

	if (!pixels)
		workload_fail("map a canvas");
	pid = fork();
	if (pid == 0) {
		scribble(racer, pixels, canvas->bytes);
		munmap(pixels, canvas->bytes);
		_exit(0);
	}
	scribble(racer, pixels, canvas->bytes);
	munmap(pixels, canvas->bytes);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void frame(struct racer *racer)
{
	const struct pool *pool = pool_of(racer);
	const struct canvas *canvas = &pool->canvases[random_below(&racer->random, POOL_CANVASES)];
	uint32_t framebuffer;

	if (!canvas_add_framebuffer(pool->fd, canvas, &framebuffer))
		workload_fail("make a framebuffer");
	if (!framebuffer_flush(pool->fd, framebuffer))
		workload_fail("flush a framebuffer");
	gpu_ioctl(pool->fd, DRM_IOCTL_MODE_RMFB, &framebuffer);
}

static const struct operation operations[] = {
	{ "draw-through-card", draw_through_card },
	{ "draw-through-dma-buf", draw_through_dma_buf },
	{ "draw-imported", draw_imported },
	{ "draw-destroyed", draw_destroyed },
	{ "draw-across-fork", draw_across_fork },
	{ "frame", frame },
};

void share_canvases(const struct pool *pool, const struct workload *workload, unsigned index)
{
	struct sharer sharer = { .pool = pool, .own_fd = gpu_open(GPU_DRIVER) };
	struct workload own = *workload;

	if (sharer.own_fd < 0)
		workload_fail("open the card again");
	own.seed = random_stream(workload->seed, 100 + index);
	race(&own, THREADS, operations, sizeof(operations) / sizeof(operations[0]), &sharer);
}
