// SPDX-License-Identifier: MIT
/* udmabuf-outlived: a mapping of a udmabuf still exists when the memfd behind it is closed. */
#include "program.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES (4 * PAGE_BYTES)

static void outlive(int device)
{
	int memory = memfd_create("outlived", MFD_CLOEXEC | MFD_ALLOW_SEALING), buffer;
	struct udmabuf_create request = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = BYTES };
	char *mapped;

	if (memory < 0 || ftruncate(memory, BYTES) < 0 ||
	    fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		workload_fail("make a memfd");
	request.memfd = (uint32_t)memory;
	buffer = ioctl(device, UDMABUF_CREATE, &request);
	if (buffer < 0)
		workload_fail("make a udmabuf");
	mapped = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	if (mapped == MAP_FAILED)
		workload_fail("map a udmabuf");
	for (size_t at = 0; at < BYTES; at += PAGE_BYTES)
		*(volatile char *)(mapped + at) = 1;
	close(memory);
	close(buffer);
	*(volatile char *)mapped = 2;
	munmap(mapped, BYTES);
}

static int udmabuf_outlived_main(int argc, char **argv)
{
	struct workload workload = { .name = "udmabuf-outlived",
				     .duration_ms = 500,
				     .memory_mib = 16 };
	uint64_t count = 0;
	int device;

	workload_start(&workload, argc, argv);
	workload_skip_known(&workload, NULL, "7.3", "a page that a udmabuf maps dies with its memfd");
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0 && errno == ENOENT)
		workload_skip("no /dev/udmabuf: the kernel lacks CONFIG_UDMABUF");
	if (device < 0)
		workload_fail("open /dev/udmabuf");
	do {
		outlive(device);
		count++;
	} while (workload_time_is_left(&workload));
	printf("done mappings that outlived %" PRIu64 "\n", count);
	return 0;
}

PROGRAM("udmabuf-outlived", udmabuf_outlived_main);
