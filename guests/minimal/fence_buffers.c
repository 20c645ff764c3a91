// SPDX-License-Identifier: MIT
#include "alarms.h"
#include "fence.h"
#include "fences.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int merge_and_close(int first, int second)
{
	int merged = fence_merge(first, second);

	if (merged < 0)
		workload_fail("merge two sync files");
	close(first);
	close(second);
	return merged;
}

void ask_about(int sync_fd)
{
	struct sync_fence_info of_each[2 * BATCH];
	struct sync_file_info info = { .num_fences = 2 * BATCH,
				       .sync_fence_info = (uintptr_t)of_each };
	struct sync_file_info count_only = { 0 };

	if (ioctl(sync_fd, SYNC_IOC_FILE_INFO, &info) < 0 ||
	    ioctl(sync_fd, SYNC_IOC_FILE_INFO, &count_only) < 0)
		workload_fail("ask about a sync file");
}

static int pick_buffer(struct racer *racer)
{
	struct fences *fences = racer->shared;

	return fences->buffers[random_below(&racer->random, fences->buffer_count)];
}

/*
 * Imports a fence for reading, for writing or for both, into a buffer that other threads poll
 * and wait for at the same time.
 */
void import_fence(struct racer *racer)
{
	struct fences *fences = racer->shared;
	int sync_fd = pace_fence(&fences->pace, &racer->random);
	struct dma_buf_import_sync_file request = {
		.flags = 1 + (uint32_t)random_below(&racer->random, 3), .fd = sync_fd
	};
	int buffer = pick_buffer(racer);

	if (random_below(&racer->random, 2)) {
		request.fd = sync_fd = merge_and_close(sync_fd, pace_fence(&fences->pace, &racer->random));
	}
	if (gpu_ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request) < 0)
		workload_fail("import a sync file");
	close(sync_fd);
	fences->imported++;
}

void export_fences(struct racer *racer)
{
	struct fences *fences = racer->shared;
	struct dma_buf_export_sync_file request = {
		.flags = 1 + (uint32_t)random_below(&racer->random, 3)
	};

	if (gpu_ioctl(pick_buffer(racer), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) < 0)
		workload_fail("export a sync file");
	ask_about(request.fd);
	if (random_below(&racer->random, 2) && !fence_wait(request.fd, FENCE_WAIT_MS))
		workload_fail("an exported fence stayed busy");
	close(request.fd);
	fences->exported++;
}

/*
 * Begins CPU access: a reader waits for writers, a writer waits for all. A signal may end the
 * wait.
 */
void access_alone(struct racer *racer)
{
	uint64_t direction = 1 + random_below(&racer->random, 3);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | direction };
	int buffer = pick_buffer(racer);
	struct alarms alarms;

	alarms_start(&alarms, 500 + random_below(&racer->random, 4000));
	if (ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync) < 0 && errno != EINTR && errno != EAGAIN)
		workload_fail("begin to access a buffer");
	alarms_stop(&alarms);
	sync.flags = DMA_BUF_SYNC_END | direction;
	gpu_ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync);
}

void poll_buffers(struct racer *racer)
{
	struct fences *fences = racer->shared;
	struct pollfd waiting[BUFFERS_MAX];

	for (size_t i = 0; i < fences->buffer_count; i++)
		waiting[i] = (struct pollfd){
			.fd = fences->buffers[i],
			.events = (short)(random_below(&racer->random, 2) ? POLLIN : POLLOUT),
		};
	poll(waiting, fences->buffer_count, (int)random_below(&racer->random, 3));
	lseek(pick_buffer(racer), 0, SEEK_END);
}

/*
 * Makes and releases a buffer while it is polled through its last descriptor: the poll keeps
 * the file open.
 */
void replace_buffer(struct racer *racer)
{
	struct fences *fences = racer->shared;
	struct canvas canvas;
	int buffer = lender_buffer(&fences->lenders, lenders_pick(&fences->lenders, &racer->random),
				   &canvas);
	struct dma_buf_import_sync_file request = { .flags = DMA_BUF_SYNC_RW };
	struct pollfd polled = { .fd = buffer, .events = POLLOUT };

	request.fd = pace_fence(&fences->pace, &racer->random);
	gpu_ioctl(buffer, DMA_BUF_SET_NAME_B, "splat");
	gpu_ioctl(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request);
	poll(&polled, 1, 0);
	close(request.fd);
	close(buffer);
}

/* Reads what the kernel prints about all buffers and timelines; it holds their locks meanwhile. */
void read_all(struct racer *racer)
{
	static const char *const paths[] = { "/sys/kernel/debug/dma_buf/bufinfo",
					     "/sys/kernel/debug/sync/info", "/proc/self/fdinfo/%d" };
	char path[64], text[4096];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), paths[i], pick_buffer(racer));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
}
