// SPDX-License-Identifier: MIT
/*
 * virtio-gpu: several processes draw into shared dumb buffers, and unmap, destroy, frame and
 * flip them under memory pressure. At the end a picture that depends on the seed alone is
 * shown: 8 x 6 cells of equal size (the last row and column take what is left), where the
 * colour of cell number k, counted row by row, is the low 24 bits (RRGGBB) of the k-th output
 * of SplitMix64 started at the seed. The workload prints the line "picture" and shows the
 * picture until PICTURE_TAKEN exists, or for 3 s.
 */
#include "virtio_gpu.h"

#include "files.h"
#include "program.h"
#include "random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARERS 2
#define PICTURE_COLUMNS 8
#define PICTURE_ROWS 6
#define PICTURE_TAKEN "/tmp/picture-taken"
#define PICTURE_HOLD_MS 3000

struct painter {
	struct pool pool;
	struct display display;
	uint32_t framebuffers[2]; /* of the first two canvases of the pool */
};

static void prepare(struct painter *painter)
{
	struct pool *pool = &painter->pool;

	pool->fd = gpu_open(GPU_DRIVER);
	if (pool->fd < 0)
		workload_skip("no card driven by " GPU_DRIVER);
	if (!display_find(pool->fd, &painter->display))
		workload_fail("find a connected display");
	for (int i = 0; i < POOL_CANVASES; i++)
		if (!canvas_create(pool->fd, painter->display.mode.hdisplay,
				   painter->display.mode.vdisplay, &pool->canvases[i]) ||
		    !canvas_export(pool->fd, &pool->canvases[i], &pool->prime_fds[i]))
			workload_fail("create and export canvas %d", i);
	for (int i = 0; i < 2; i++)
		if (!canvas_add_framebuffer(pool->fd, &pool->canvases[i],
					    &painter->framebuffers[i]))
			workload_fail("make framebuffer %d", i);
	if (!display_show(pool->fd, &painter->display, painter->framebuffers[0]))
		workload_fail("set the mode");
}

static void fill(const struct painter *painter, int which, uint32_t colour)
{
	const struct canvas *canvas = &painter->pool.canvases[which];
	uint32_t *pixels = canvas_map(painter->pool.fd, canvas);

	if (!pixels)
		workload_fail("map canvas %d", which);
	for (size_t i = 0; i < canvas->bytes / sizeof(*pixels); i += 16)
		pixels[i] = colour;
	munmap(pixels, canvas->bytes);
}

/* Flips until the workload's time is over. Returns the number of flips. */
static uint64_t flip_until_end(const struct painter *painter, const struct workload *workload)
{
	uint64_t random = random_stream(workload->seed, 0);
	uint64_t flips = 0;

	do {
		int which = (int)(++flips % 2);

		fill(painter, which, (uint32_t)random_next(&random));
		if (!display_flip(painter->pool.fd, &painter->display,
				  painter->framebuffers[which]))
			workload_fail("flip %" PRIu64, flips);
	} while (workload_time_is_left(workload));
	return flips;
}

static void paint_picture(uint32_t *pixels, const struct canvas *canvas, uint64_t seed)
{
	uint32_t colours[PICTURE_ROWS * PICTURE_COLUMNS];

	for (size_t i = 0; i < PICTURE_ROWS * PICTURE_COLUMNS; i++)
		colours[i] = (uint32_t)random_next(&seed) & 0xffffff;
	for (uint32_t y = 0; y < canvas->height; y++) {
		uint32_t *line = pixels + (size_t)y * canvas->pitch / sizeof(*pixels);
		uint32_t row = y / (canvas->height / PICTURE_ROWS);

		if (row >= PICTURE_ROWS)
			row = PICTURE_ROWS - 1;
		for (uint32_t x = 0; x < canvas->width; x++) {
			uint32_t column = x / (canvas->width / PICTURE_COLUMNS);

			if (column >= PICTURE_COLUMNS)
				column = PICTURE_COLUMNS - 1;
			line[x] = colours[row * PICTURE_COLUMNS + column];
		}
	}
}

static void show_picture(const struct painter *painter, uint64_t seed)
{
	const struct canvas *canvas = &painter->pool.canvases[0];
	uint64_t end_ns;
	uint32_t *pixels = canvas_map(painter->pool.fd, canvas);

	if (!pixels)
		workload_fail("map the picture");
	paint_picture(pixels, canvas, seed);
	munmap(pixels, canvas->bytes);
	if (!display_show(painter->pool.fd, &painter->display, painter->framebuffers[0]) ||
	    !framebuffer_flush(painter->pool.fd, painter->framebuffers[0]))
		workload_fail("show the picture");

	end_ns = monotonic_ns() + PICTURE_HOLD_MS * 1000000ull;
	puts("picture");
	while (access(PICTURE_TAKEN, F_OK) < 0 && monotonic_ns() < end_ns)
		pause_ms(20);
}

/*
 * Waits for all children. Exits with the exit status of the first child that failed; the
 * child's own line on stderr said why.
 */
static void join(const pid_t *children, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = 0;

		while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
			;
		errno = 0;
		if (WIFSIGNALED(status))
			workload_fail("process %zu was killed by signal %d", i, WTERMSIG(status));
		if (WEXITSTATUS(status) != 0)
			workload_fail("process %zu failed", i);
	}
}

static pid_t start_child(const struct painter *painter, const struct workload *workload,
			 unsigned index)
{
	pid_t pid = fork();

	if (pid < 0)
		workload_fail("fork");
	if (pid > 0)
		return pid;
	if (index == SHARERS)
		press_memory(workload);
	else
		share_canvases(&painter->pool, workload, index);
	_exit(0);
}

static int virtio_gpu_main(int argc, char **argv)
{
	struct workload workload = { .name = "virtio-gpu", .duration_ms = 2000, .memory_mib = 64 };
	struct painter painter;
	pid_t children[SHARERS + 1];
	uint64_t flips;

	workload_start(&workload, argc, argv);
	unlink(PICTURE_TAKEN);
	prepare(&painter);
	for (unsigned i = 0; i <= SHARERS; i++)
		children[i] = start_child(&painter, &workload, i);
	flips = flip_until_end(&painter, &workload);
	join(children, SHARERS + 1);
	show_picture(&painter, workload.seed);
	printf("done flips %" PRIu64 "\n", flips);
	return 0;
}

PROGRAM("virtio-gpu", virtio_gpu_main);
