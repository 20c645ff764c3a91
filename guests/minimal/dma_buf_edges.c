// SPDX-License-Identifier: MIT
#include "dma_buf_maps.h"

#include "fence.h"
#include "random.h"
#include "timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECES 4
#define PIECE_PAGES 16
#define PIECE_BYTES (PIECE_PAGES * PAGE_BYTES)

/* Waits for a child, and returns its wait status. */
static int end_of(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void grow_and_read(const struct source *source)
{
	char *memory = mmap(NULL, source->bytes, PROT_READ, MAP_SHARED, source->fd,
			    source->offset);
	char *grown;

	signal(SIGBUS, SIG_DFL);
	if (memory == MAP_FAILED)
		_exit(1);
	grown = mremap(memory, source->bytes, source->bytes + PIECE_BYTES, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED)
		_exit(2);
	(void)*(volatile char *)(grown + source->bytes - 1);
	(void)*(volatile char *)(grown + source->bytes);
	_exit(0);
}

void read_past_end(struct racer *racer)
{
	struct maps *maps = racer->shared;
	const struct source *source = &maps->sources[random_below(&racer->random,
								  maps->source_count)];
	struct source late = *source;
	pid_t pid;

	/* Also maps from the middle: then the end is found by the offset in the file. */
	if (late.offset == 0 && random_below(&racer->random, 2)) {
		late.offset = (off_t)PIECE_BYTES;
		late.bytes -= PIECE_BYTES;
	}
	pid = fork();
	if (pid == 0)
		grow_and_read(&late);
	if (pid > 0 && WIFSIGNALED(end_of(pid)))
		maps->past_end++;
}

struct list {
	struct udmabuf_create_list head;
	struct udmabuf_create_item items[PIECES];
};

static int sealed_memory(size_t bytes)
{
	int memory = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (memory < 0 || ftruncate(memory, (off_t)bytes) < 0 ||
	    fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		workload_fail("make a memfd");
	return memory;
}

/*
 * Chooses pages in any order. Now and then a page lies behind the end of its memfd; then the
 * whole call must fail.
 */
static void choose_pieces(struct racer *racer, struct list *list, const int *memories)
{
	bool too_far = random_below(&racer->random, 4) == 0;

	list->head = (struct udmabuf_create_list){ .flags = UDMABUF_FLAGS_CLOEXEC,
						   .count = PIECES };
	for (int i = 0; i < PIECES; i++) {
		uint64_t pages = 1 + random_below(&racer->random, PIECE_PAGES);
		uint64_t first = random_below(&racer->random, PIECE_PAGES - pages + 1);

		list->items[i] = (struct udmabuf_create_item){
			.memfd = (uint32_t)memories[random_below(&racer->random, PIECES)],
			.offset = first * PAGE_BYTES,
			.size = pages * PAGE_BYTES,
		};
	}
	if (too_far)
		list->items[random_below(&racer->random, PIECES)].offset = PIECE_BYTES;
}

static void use_gathered(struct racer *racer, int buffer, const int *memories)
{
	struct maps *maps = racer->shared;
	struct canvas canvas = { 0 };
	size_t bytes = (size_t)lseek(buffer, 0, SEEK_END);
	int card = maps->lenders.devices[random_below(&racer->random, 2) ? VGEM : VKMS];
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);

	if (memory == MAP_FAILED || !canvas_import(card, buffer, &canvas.handle))
		workload_fail("use a gathered buffer of %zu bytes", bytes);
	for (int i = 0; i < PIECES; i++)
		fallocate(memories[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PIECE_BYTES);
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile char *)(memory + at) = 1;
	canvas_destroy(card, &canvas);
	munmap(memory, bytes);
	maps->gathered++;
}

void gather_pages(struct racer *racer)
{
	struct maps *maps = racer->shared;
	int memories[PIECES], buffer;
	struct list list;

	for (int i = 0; i < PIECES; i++)
		memories[i] = sealed_memory(PIECE_BYTES);
	choose_pieces(racer, &list, memories);
	buffer = ioctl(maps->lenders.devices[UDMABUF], UDMABUF_CREATE_LIST, &list);
	if (buffer >= 0) {
		use_gathered(racer, buffer, memories);
		close(buffer);
	}
	for (int i = 0; i < PIECES; i++)
		close(memories[i]);
}

/*
 * Runs in a child whose table of descriptors is full. A call that succeeds all the same is a
 * fault of this program.
 */
static int try_everything(const struct maps *maps, int timeline, int sync_fd, int memory)
{
	struct udmabuf_create one = { .memfd = (uint32_t)memory, .size = PIECE_BYTES };
	struct list list = { .head = { .count = 1 },
			     .items = { { .memfd = (uint32_t)memory, .size = PIECE_BYTES } } };
	int succeeded = 0, prime_fd;

	succeeded += ioctl(maps->lenders.devices[UDMABUF], UDMABUF_CREATE, &one) >= 0;
	succeeded += ioctl(maps->lenders.devices[UDMABUF], UDMABUF_CREATE_LIST, &list) >= 0;
	for (int i = 0; i < CARDS_LENDING; i++)
		succeeded += canvas_export(maps->lenders.devices[i], &maps->canvases[i],
					   &prime_fd);
	succeeded += fence_export(maps->sources[1].fd) >= 0;
	succeeded += fence_merge(sync_fd, sync_fd) >= 0;
	succeeded += timeline_fence(timeline, 100) >= 0;
	return succeeded;
}

void live_without_descriptors(struct racer *racer)
{
	const struct maps *maps = racer->shared;
	int timeline = timeline_open();
	int sync_fd = timeline_fence(timeline, 100);
	int memory = sealed_memory(PIECE_BYTES);
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0 };

		setrlimit(RLIMIT_NOFILE, &none);
		_exit(try_everything(maps, timeline, sync_fd, memory));
	}
	if (pid > 0 && end_of(pid) != 0)
		workload_fail("a descriptor was made beyond the limit");
	close(memory);
	close(sync_fd);
	close(timeline);
}
