// SPDX-License-Identifier: MIT
#include "cgroup.h"
#include "virtio_gpu.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>

/*
 * Reclaims in two ways: pages of this process (MADV_PAGEOUT), and anything in the cgroup of all
 * GPU processes (memory.reclaim, Linux 5.19).
 */
void press_memory(const struct workload *workload)
{
	size_t bytes = workload->memory_mib / 2 * MIB;
	char parent[PATH_MAX];
	bool has_parent = cgroup_parent(parent, sizeof(parent));
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		workload_fail("map %zu MiB", bytes / MIB);
	for (size_t at = 0; workload_time_is_left(workload); at = (at + 4 * MIB) % bytes) {
		size_t length = bytes - at < 4 * MIB ? bytes - at : 4 * MIB;

		for (size_t page = 0; page < length; page += PAGE_BYTES)
			*(volatile char *)(memory + at + page) = 1;
		madvise(memory + at, length, MADV_PAGEOUT);
		/* EAGAIN means that less could be reclaimed than was asked for. */
		if (has_parent && !cgroup_write(parent, "memory.reclaim", "2M") && errno != EAGAIN)
			has_parent = false;
	}
}
