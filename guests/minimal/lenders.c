// SPDX-License-Identifier: MIT
#include "lenders.h"

#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const names[LENDERS] = {
	[VIRTIO_GPU] = "virtio_gpu", [VGEM] = "vgem", [VKMS] = "vkms",
	[UDMABUF] = "udmabuf",	     [HEAP] = "heap",
};

/* Held while a memfd is open that a child would inherit, and during each fork. */
static pthread_mutex_t memory_is_open = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
	pthread_mutex_lock(&memory_is_open);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&memory_is_open);
}

void lenders_open(struct lenders *lenders)
{
	pthread_atfork(before_fork, after_fork, after_fork);
	for (int i = 0; i < CARDS_LENDING; i++) {
		lenders->devices[i] = gpu_open(names[i]);
		if (lenders->devices[i] < 0)
			workload_skip("no card driven by %s", names[i]);
	}
	lenders->devices[UDMABUF] = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (lenders->devices[UDMABUF] < 0)
		workload_skip("no /dev/udmabuf: the kernel lacks CONFIG_UDMABUF");
	lenders->devices[HEAP] = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
}

enum lender lenders_pick(struct lenders *lenders, uint64_t *random)
{
	unsigned there = lenders->devices[HEAP] < 0 ? HEAP : LENDERS;
	unsigned picks = atomic_fetch_add(&lenders->picks, 1);

	return (enum lender)(picks < there ? picks : random_below(random, there));
}

/*
 * The memfd is closed before the buffer is mapped. A memfd that a child inherited would be
 * closed at the child's end while the buffer is mapped, which is a known bug
 * (udmabuf-outlived).
 */
int udmabuf_create(int device, size_t bytes)
{
	struct udmabuf_create request = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = bytes };
	int prime_fd = -1, memory;

	pthread_mutex_lock(&memory_is_open);
	memory = memfd_create("udmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory >= 0) {
		request.memfd = (uint32_t)memory;
		if (ftruncate(memory, (off_t)bytes) == 0 &&
		    fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
			prime_fd = ioctl(device, UDMABUF_CREATE, &request);
		close(memory);
	}
	pthread_mutex_unlock(&memory_is_open);
	return prime_fd;
}

static int allocate_from_heap(int device, size_t bytes)
{
	struct dma_heap_allocation_data request = { .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC };

	return ioctl(device, DMA_HEAP_IOCTL_ALLOC, &request) < 0 ? -1 : (int)request.fd;
}

int lender_buffer(const struct lenders *lenders, enum lender lender, struct canvas *canvas)
{
	int device = lenders->devices[lender];
	int prime_fd = -1;

	*canvas = (struct canvas){ .width = LENT_SIDE, .height = LENT_SIDE,
				   .pitch = LENT_SIDE * 4, .bytes = LENT_SIDE * LENT_SIDE * 4 };
	if (lender == UDMABUF) {
		prime_fd = udmabuf_create(device, canvas->bytes);
	} else if (lender == HEAP) {
		prime_fd = allocate_from_heap(device, canvas->bytes);
	} else if (canvas_create(device, LENT_SIDE, LENT_SIDE, canvas)) {
		if (!canvas_export(device, canvas, &prime_fd))
			prime_fd = -1;
		canvas_destroy(device, canvas);
	}
	if (prime_fd < 0 && errno == ENOSYS)
		workload_skip("%s exports no buffers: the kernel is too old", names[lender]);
	if (prime_fd < 0)
		workload_fail("make a buffer of %s", names[lender]);
	return prime_fd;
}
