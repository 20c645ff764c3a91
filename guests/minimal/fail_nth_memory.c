// SPDX-License-Identifier: MIT
/* Calls of memory management, for fail-nth. */
#include "fail_nth.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define CELL (2ul << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static void touch(char *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		*(volatile char *)(memory + i * PAGE) = 1;
}

static bool touched(struct stage *stage)
{
	madvise(stage->memory, STAGE_BYTES, MADV_NOHUGEPAGE);
	touch(stage->memory, 16);
	return true;
}

static bool huge(struct stage *stage)
{
	if (madvise(stage->memory, STAGE_BYTES, MADV_HUGEPAGE) < 0)
		return false;
	touch(stage->memory, 1);
	return true;
}

static void fault(struct stage *stage)
{
	touch(stage->memory, 4);
}

static void fault_huge(struct stage *stage)
{
	madvise(stage->memory, STAGE_BYTES, MADV_HUGEPAGE);
	touch(stage->memory + CELL, 1);
}

static void map(struct stage *stage)
{
	mmap(stage->memory + 4 * PAGE, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
}

static void unmap(struct stage *stage)
{
	munmap(stage->memory + 4 * PAGE, 4 * PAGE);
}

static void protect(struct stage *stage)
{
	mprotect(stage->memory + 4 * PAGE, 4 * PAGE, PROT_READ);
}

static void move(struct stage *stage)
{
	mremap(stage->memory, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	       stage->memory + CELL + 4 * PAGE);
}

static void split_huge(struct stage *stage)
{
	munmap(stage->memory + 4 * PAGE, 4 * PAGE);
	madvise(stage->memory + 16 * PAGE, 4 * PAGE, MADV_PAGEOUT);
}

static void collapse(struct stage *stage)
{
	madvise(stage->memory, CELL, MADV_COLLAPSE);
}

static void page_out(struct stage *stage)
{
	madvise(stage->memory, 16 * PAGE, MADV_PAGEOUT);
	touch(stage->memory, 16);
}

static void lock(struct stage *stage)
{
	mlock(stage->memory + 8 * PAGE, 16 * PAGE);
}

static void mergeable(struct stage *stage)
{
	madvise(stage->memory, STAGE_BYTES, MADV_MERGEABLE);
	madvise(stage->memory, STAGE_BYTES, MADV_UNMERGEABLE);
}

static void fork_child(struct stage *stage)
{
	pid_t pid = fork();

	if (pid == 0) {
		touch(stage->memory, 2);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static bool have_shmem(struct stage *stage)
{
	stage->fds[0] = memfd_create("fail-nth", MFD_CLOEXEC);
	return stage->fds[0] >= 0 && ftruncate(stage->fds[0], CELL) == 0;
}

static void make_shmem(struct stage *stage)
{
	stage->fds[1] = memfd_create("fail-nth", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void write_shmem(struct stage *stage)
{
	if (pwrite(stage->fds[0], "x", 1, 8 * PAGE) == 1)
		fallocate(stage->fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 16 * PAGE);
}

static void map_shmem(struct stage *stage)
{
	if (mmap(stage->memory, CELL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, stage->fds[0],
		 0) == MAP_FAILED)
		return;
	touch(stage->memory, 4);
	madvise(stage->memory, CELL, MADV_COLLAPSE);
}

static void watch_faults(struct stage *stage)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .range = { (uintptr_t)stage->memory, CELL },
					 .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { .range = { (uintptr_t)stage->memory, 4 * PAGE } };

	stage->fds[0] = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (stage->fds[0] < 0 || ioctl(stage->fds[0], UFFDIO_API, &api) < 0 ||
	    ioctl(stage->fds[0], UFFDIO_REGISTER, &range) < 0)
		return;
	ioctl(stage->fds[0], UFFDIO_ZEROPAGE, &zero);
}

static const struct failing_call calls[] = {
	{ "fault", NULL, fault, NULL },
	{ "fault-huge", NULL, fault_huge, NULL },
	{ "map", touched, map, NULL },
	{ "unmap", touched, unmap, NULL },
	{ "protect", touched, protect, NULL },
	{ "move", touched, move, NULL },
	{ "split-huge", huge, split_huge, NULL },
	{ "move-huge", huge, move, NULL },
	{ "collapse", touched, collapse, NULL },
	{ "page-out", touched, page_out, NULL },
	{ "lock", touched, lock, NULL },
	{ "mergeable", touched, mergeable, NULL },
	{ "fork", touched, fork_child, NULL },
	{ "make-shmem", NULL, make_shmem, NULL },
	{ "write-shmem", have_shmem, write_shmem, NULL },
	{ "map-shmem", have_shmem, map_shmem, NULL },
	{ "watch-faults", NULL, watch_faults, NULL },
};

const struct failing_calls failing_memory_calls = { calls, sizeof(calls) / sizeof(calls[0]),
						    sizeof(calls) / sizeof(calls[0]) };
