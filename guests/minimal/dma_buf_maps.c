// SPDX-License-Identifier: MIT
/*
 * dma-buf-maps: every way to map buffers of a GPU driver, udmabuf or a heap: shared and
 * private, moved, split, forked under signals, read past the end; udmabufs of several memfds
 * from which pages are punched out meanwhile; and every call that makes a descriptor, when no
 * descriptor is left.
 */
#include "dma_buf_maps.h"

#include "alarms.h"
#include "program.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dma-buf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define COPIES 12
#define NEIGHBOURS 2

static struct source *pick_source(struct racer *racer)
{
	struct maps *maps = racer->shared;

	return &maps->sources[random_below(&racer->random, maps->source_count)];
}

static void write_some(struct racer *racer, char *memory, size_t bytes)
{
	for (int i = 0; i < 8; i++)
		*(volatile char *)(memory + random_below(&racer->random, bytes)) = (char)i;
}

static char *map_shared(const struct source *source)
{
	char *memory = mmap(NULL, source->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, source->fd,
			    source->offset);

	if (memory == MAP_FAILED)
		workload_fail("map %s", source->name);
	return memory;
}

/*
 * The kernel cannot copy on write pages that it does not manage, so it must refuse a private
 * writable mapping of them. If it does not refuse, the mapping is used.
 */
static void map_private(struct racer *racer)
{
	static const int protections[] = { PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE,
					   PROT_NONE };
	struct maps *maps = racer->shared;
	const struct source *source = pick_source(racer);
	int protection = protections[random_below(&racer->random, 4)];
	char *memory = mmap(NULL, source->bytes, protection, MAP_PRIVATE, source->fd,
			    source->offset);

	if (memory == MAP_FAILED) {
		maps->refused++;
		return;
	}
	if (protection & PROT_READ)
		(void)*(volatile char *)(memory + random_below(&racer->random, source->bytes));
	if (protection & PROT_WRITE ||
	    (protection == PROT_NONE &&
	     mprotect(memory, source->bytes, PROT_READ | PROT_WRITE) == 0))
		write_some(racer, memory, source->bytes);
	munmap(memory, source->bytes);
}

/*
 * Splits a mapping in two and moves one half over the other. A move that is refused may already
 * have unmapped the other half.
 */
static void move(struct racer *racer)
{
	struct maps *maps = racer->shared;
	const struct source *source = pick_source(racer);
	size_t half = source->bytes / 2 / PAGE_BYTES * PAGE_BYTES;
	char *memory = map_shared(source);
	void *moved;

	write_some(racer, memory, source->bytes);
	moved = mremap(memory + half, half, half, MREMAP_MAYMOVE | MREMAP_FIXED, memory);
	if (moved != MAP_FAILED) {
		write_some(racer, memory, half);
		munmap(memory, half);
		maps->moved++;
	} else {
		munmap(memory + half, source->bytes - half);
	}
}

/*
 * Protects, splits, empties, locks and pages out a mapping piece by piece; a driver may refuse
 * any of this.
 */
static void change(struct racer *racer)
{
	static const int advices[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD, MADV_POPULATE_WRITE,
				       MADV_POPULATE_READ, MADV_DONTFORK, MADV_DOFORK,
				       MADV_WILLNEED };
	const struct source *source = pick_source(racer);
	size_t pages = source->bytes / PAGE_BYTES, half = pages / 2 * PAGE_BYTES;
	char *memory = map_shared(source);

	for (int i = 0; i < 8; i++) {
		size_t first = random_below(&racer->random, pages);
		size_t count = 1 + random_below(&racer->random, pages - first);
		char *at = memory + first * PAGE_BYTES;

		madvise(at, count * PAGE_BYTES, advices[random_below(&racer->random, 8)]);
		mprotect(at, count * PAGE_BYTES, PROT_READ);
		(void)*(volatile char *)at;
		mprotect(at, count * PAGE_BYTES, PROT_READ | PROT_WRITE);
		*(volatile char *)at = 1;
	}
	/* What is unmapped may at once belong to another thread. */
	munmap(memory, half);
	munmap(memory + half, source->bytes - half);
}

/*
 * Has the kernel read and write the mapping on behalf of another process, which works only for
 * memory with struct pages.
 */
static void copy_by_kernel(struct racer *racer)
{
	const struct source *source = pick_source(racer);
	char *memory = map_shared(source);
	char page[PAGE_BYTES];
	struct iovec from = { memory, sizeof(page) }, to = { page, sizeof(page) };
	int pipes[2];

	process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	process_vm_writev(getpid(), &to, 1, &from, 1, 0);
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0) {
		if (vmsplice(pipes[1], &from, 1, SPLICE_F_NONBLOCK) < 0)
			errno = 0;
		munmap(memory, source->bytes);
		close(pipes[1]);
		close(pipes[0]);
		return;
	}
	munmap(memory, source->bytes);
}

/*
 * Forks again and again, which copies a mapping to the child, while signals come in and other
 * threads fault in the same buffer. Whatever lock the copy takes, it must not give up.
 */
static void fork_under_signals(struct racer *racer)
{
	struct maps *maps = racer->shared;
	const struct source *source = pick_source(racer);
	char *copies[COPIES];
	struct alarms alarms;
	pid_t pid;

	for (int i = 0; i < COPIES; i++)
		copies[i] = map_shared(source);
	alarms_start(&alarms, 300 + random_below(&racer->random, 1500));
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < COPIES; i++)
			munmap(copies[i], source->bytes);
		_exit(0);
	}
	for (int i = 0; i < COPIES; i++) {
		write_some(racer, copies[i], source->bytes);
		munmap(copies[i], source->bytes);
	}
	alarms_stop(&alarms);
	if (pid > 0)
		maps->forked++;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Begins and ends CPU access in one direction. */
static void access_in_one_direction(struct racer *racer)
{
	struct maps *maps = racer->shared;
	uint64_t direction = random_below(&racer->random, 2) ? DMA_BUF_SYNC_READ :
							       DMA_BUF_SYNC_WRITE;
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | direction };
	struct canvas canvas;
	enum lender lender = lenders_pick(&maps->lenders, &racer->random);
	struct source buffer = { .name = "a new buffer",
				 .fd = lender_buffer(&maps->lenders, lender, &canvas) };
	char *memory;

	buffer.bytes = canvas.bytes;
	memory = map_shared(&buffer);
	if (gpu_ioctl(buffer.fd, DMA_BUF_IOCTL_SYNC, &sync) < 0)
		workload_fail("begin to access a buffer");
	if (direction == DMA_BUF_SYNC_WRITE)
		write_some(racer, memory, buffer.bytes);
	sync.flags = DMA_BUF_SYNC_END | direction;
	gpu_ioctl(buffer.fd, DMA_BUF_IOCTL_SYNC, &sync);
	munmap(memory, buffer.bytes);
	close(buffer.fd);
}

static const struct operation operations[] = {
	{ "map-private", map_private },	      { "move", move },
	{ "change", change },		      { "copy-by-kernel", copy_by_kernel },
	{ "fork", fork_under_signals },	      { "access", access_in_one_direction },
	{ "read-past-end", read_past_end },   { "gather", gather_pages },
	{ "fork", fork_under_signals },	      { "without-descriptors", live_without_descriptors },
};

/* Adds a card's buffer, and the same buffer as a dma-buf. */
static void add_canvas(struct maps *maps, enum lender lender)
{
	static const char *const names[] = { [VIRTIO_GPU] = "a virtio-gpu object",
					     [VGEM] = "a vgem object", [VKMS] = "a vkms object" };
	struct canvas *canvas = &maps->canvases[lender];
	struct drm_mode_map_dumb map = { 0 };
	int card = maps->lenders.devices[lender], prime_fd;

	if (!canvas_create(card, LENT_SIDE, LENT_SIDE, canvas) ||
	    !canvas_export(card, canvas, &prime_fd))
		workload_fail("create %s", names[lender]);
	map.handle = canvas->handle;
	if (gpu_ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0)
		workload_fail("find the place of %s", names[lender]);
	maps->sources[maps->source_count++] = (struct source){
		.name = names[lender], .fd = card, .offset = (off_t)map.offset,
		.bytes = canvas->bytes,
	};
	maps->sources[maps->source_count++] = (struct source){
		.name = "a dma-buf", .fd = prime_fd, .bytes = canvas->bytes,
	};
}

static void prepare(struct maps *maps)
{
	struct canvas canvas;

	lenders_open(&maps->lenders);
	for (enum lender lender = 0; lender < LENDERS; lender++) {
		if (maps->lenders.devices[lender] < 0)
			continue;
		if (lender < CARDS_LENDING)
			add_canvas(maps, lender);
		else
			maps->sources[maps->source_count++] = (struct source){
				.name = lender == UDMABUF ? "a udmabuf" : "a heap's buffer",
				.fd = lender_buffer(&maps->lenders, lender, &canvas),
				.bytes = LENT_SIDE * LENT_SIDE * 4,
			};
	}
}

static int dma_buf_maps_main(int argc, char **argv)
{
	struct workload workload = { .name = "dma-buf-maps", .duration_ms = 1500,
				     .memory_mib = 16 };
	static struct maps maps;
	pid_t neighbours[NEIGHBOURS];

	workload_start(&workload, argc, argv);
	prepare(&maps);
	for (int i = 0; i < NEIGHBOURS; i++)
		neighbours[i] = neighbour_start(&maps);
	race(&workload, THREADS, operations, sizeof(operations) / sizeof(operations[0]), &maps);
	for (int i = 0; i < NEIGHBOURS; i++)
		neighbour_stop(neighbours[i]);
	printf("done refused %" PRIuFAST64 " moved %" PRIuFAST64 " forked %" PRIuFAST64
	       " gathered %" PRIuFAST64 " past the end %" PRIuFAST64 "\n",
	       maps.refused, maps.moved, maps.forked, maps.gathered, maps.past_end);
	errno = 0;
	if (maps.forked == 0 || maps.gathered == 0)
		workload_fail("nothing was forked, or nothing gathered");
	return 0;
}

PROGRAM("dma-buf-maps", dma_buf_maps_main);
