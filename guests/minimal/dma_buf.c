// SPDX-License-Identifier: MIT
/*
 * dma-buf: buffers of virtio-gpu, vgem, vkms, udmabuf and the system heap are shared between
 * these drivers in a guest that is short of memory. Threads import, map, draw, fence, wait and
 * release, while the buffers' pages that are not pinned, and all other memory, are reclaimed.
 * virtio-gpu imports only its own buffers.
 */
#include "fence.h"
#include "gpu.h"
#include "lenders.h"
#include "memory.h"
#include "program.h"
#include "racers.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 3
#define FENCE_TIMEOUT_MS 20000

struct shared {
	struct lenders lenders;
	char *pressing;
	size_t pressing_bytes;
	atomic_uint_fast64_t lent;   /* buffers lent to another driver, and written to meanwhile */
	atomic_uint_fast64_t waited; /* sync files that were signalled after a wait */
};

static void write_pixels(void *pixels, size_t bytes)
{
	touch_pages(pixels, bytes);
	munmap(pixels, bytes);
}

/*
 * Attaches a buffer to another driver, which then has its pages mapped for its device. Handle
 * and dma-buf are released in either order.
 */
static void lend(struct racer *racer)
{
	struct shared *shared = racer->shared;
	enum lender borrower = random_below(&racer->random, 2) ? VGEM : VKMS;
	enum lender lender = lenders_pick(&shared->lenders, &racer->random);
	bool handle_first = random_below(&racer->random, 2);
	struct canvas canvas;
	void *pixels;
	int prime_fd;

	if (lender == borrower)
		lender = VIRTIO_GPU;
	prime_fd = lender_buffer(&shared->lenders, lender, &canvas);
	if (!canvas_import(shared->lenders.devices[borrower], prime_fd, &canvas.handle))
		workload_fail("lend a buffer from %d to %d", lender, borrower);
	pixels = mmap(NULL, canvas.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, prime_fd, 0);
	if (pixels == MAP_FAILED)
		workload_fail("map a dma-buf of lender %d", lender);
	if (handle_first)
		canvas_destroy(shared->lenders.devices[borrower], &canvas);
	close(prime_fd);
	write_pixels(pixels, canvas.bytes);
	if (!handle_first)
		canvas_destroy(shared->lenders.devices[borrower], &canvas);
	shared->lent++;
}

/*
 * The life of a thread that begins CPU access to a buffer: it sleeps until the buffer's fence
 * is signalled.
 */
static void *wait_in_kernel(void *prime_fd)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };

	gpu_ioctl(*(int *)prime_fd, DMA_BUF_IOCTL_SYNC, &sync);
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	gpu_ioctl(*(int *)prime_fd, DMA_BUF_IOCTL_SYNC, &sync);
	return NULL;
}

/*
 * Attaches a fence to a buffer, and signals it later. In between, a thread waits for it, memory
 * is short, and the buffer is written to.
 */
static void use_fence(struct racer *racer, int prime_fd, const struct canvas *canvas)
{
	struct shared *shared = racer->shared;
	uint32_t fence;
	int sync_fd, merged_fd;
	pthread_t waiter;
	void *pixels;

	if (!fence_attach(shared->lenders.devices[VGEM], canvas->handle, &fence))
		workload_fail("attach a fence");
	sync_fd = fence_export(prime_fd);
	merged_fd = fence_merge(sync_fd, sync_fd);
	if (merged_fd < 0)
		workload_fail("export a sync file and merge it");
	errno = pthread_create(&waiter, NULL, wait_in_kernel, &prime_fd);
	if (errno != 0)
		workload_fail("start a waiter");
	pixels = mmap(NULL, canvas->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, prime_fd, 0);
	if (pixels != MAP_FAILED)
		write_pixels(pixels, canvas->bytes);
	pause_ms(2);
	if (!fence_signal(shared->lenders.devices[VGEM], fence) && errno != ETIMEDOUT)
		workload_fail("signal a fence");
	pthread_join(waiter, NULL);
	errno = 0;
	if (!fence_wait(merged_fd, FENCE_TIMEOUT_MS))
		workload_fail("a signalled fence stayed busy");
	shared->waited++;
	close(merged_fd);
	close(sync_fd);
}

/* The fence is in the dma_resv of the buffer, whichever driver the buffer is from. */
static void fence(struct racer *racer)
{
	struct shared *shared = racer->shared;
	enum lender lender = lenders_pick(&shared->lenders, &racer->random);
	struct canvas canvas;
	int prime_fd = lender_buffer(&shared->lenders, lender, &canvas);

	if (!canvas_import(shared->lenders.devices[VGEM], prime_fd, &canvas.handle))
		workload_fail("lend a buffer from %d to vgem", lender);
	use_fence(racer, prime_fd, &canvas);
	canvas_destroy(shared->lenders.devices[VGEM], &canvas);
	close(prime_fd);
}

/*
 * Draws into a mapping that outlives its handle and dma-buf, while its pages are swapped out
 * and in.
 */
static void draw_unpinned(struct racer *racer)
{
	struct shared *shared = racer->shared;
	int card = shared->lenders.devices[random_below(&racer->random, CARDS_LENDING)];
	struct canvas canvas;
	void *pixels;

	if (!canvas_create(card, LENT_SIDE, LENT_SIDE, &canvas))
		workload_fail("create a canvas");
	pixels = canvas_map(card, &canvas);
	canvas_destroy(card, &canvas);
	if (!pixels)
		workload_fail("map a canvas");
	touch_pages(pixels, canvas.bytes);
	madvise(pixels, canvas.bytes, MADV_PAGEOUT);
	write_pixels(pixels, canvas.bytes);
}

/* Takes more memory than is left, so that the next allocation reclaims. */
static void press(struct racer *racer)
{
	struct shared *shared = racer->shared;
	size_t part = shared->pressing_bytes / THREADS / PAGE_BYTES * PAGE_BYTES;

	touch_pages(shared->pressing + racer->index * part, part);
}

static const struct operation operations[] = {
	{ "lend", lend }, { "fence", fence }, { "draw-unpinned", draw_unpinned },
	{ "lend", lend }, { "press", press },
};

/*
 * Checks what this kernel's drivers can lend, before anything is borrowed: vkms of 5.10 exports
 * nothing, and warns about every buffer that it imported.
 */
static void try_lenders(const struct shared *shared)
{
	for (enum lender lender = 0; lender < LENDERS; lender++) {
		struct canvas canvas;
		int prime_fd, sync_fd;

		if (shared->lenders.devices[lender] < 0)
			continue;
		prime_fd = lender_buffer(&shared->lenders, lender, &canvas);
		sync_fd = fence_export(prime_fd);

		if (sync_fd < 0 && errno == ENOTTY)
			workload_skip("no sync files of dma-bufs: the kernel is older than 6.0");
		if (sync_fd < 0)
			workload_fail("export a sync file of lender %d", lender);
		close(sync_fd);
		close(prime_fd);
	}
}

static int dma_buf_main(int argc, char **argv)
{
	struct workload workload = { .name = "dma-buf", .duration_ms = 2000, .memory_mib = 24 };
	static struct shared shared;

	workload_start(&workload, argc, argv);
	lenders_open(&shared.lenders);
	try_lenders(&shared);
	shared.pressing_bytes = workload.memory_mib * MIB;
	shared.pressing = map_small_pages(shared.pressing_bytes);
	memory_squeeze(workload.memory_mib / 2 * MIB);
	touch_pages(shared.pressing, shared.pressing_bytes);
	memory_stall();
	race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]), &shared);
	memory_relax();
	printf("done lent %" PRIuFAST64 " waited %" PRIuFAST64 "\n", shared.lent, shared.waited);
	errno = 0;
	if (shared.lent == 0 || shared.waited == 0)
		workload_fail("no buffer was lent, or none was waited for");
	return 0;
}

PROGRAM("dma-buf", dma_buf_main);
