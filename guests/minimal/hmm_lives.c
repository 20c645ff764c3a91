// SPDX-License-Identifier: MIT
#include "hmm_lives.h"

#include "hmm_abi.h"
#include "random.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/hmm_dmirror1"
/* The device to whose memory nothing migrates. */
#define READING_DEVICE "/dev/hmm_dmirror0"
#define PAGES 64ul
#define WRONG 2 /* the exit status when the contents are wrong */

static bool command(int device, unsigned long number, char *memory, char *buffer)
{
	struct hmm_request request = {
		.address = (uintptr_t)memory,
		.buffer = (uintptr_t)buffer,
		.pages = PAGES,
	};

	return ioctl(device, number, &request) == 0;
}

/* Maps two pieces of memory and writes to the first; NULL when there is no room. */
static char *map_two(void)
{
	char *memory = mmap(NULL, 2 * PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	for (size_t i = 0; i < PAGES; i++)
		*(volatile char *)(memory + i * PAGE_BYTES) = (char)i;
	return memory;
}

/*
 * The life of a child that opens a mirror of itself, has it read or migrate, reports the
 * descriptor's number, and stays until it is killed.
 */
_Noreturn static void be_mirrored(const char *path, bool migrates, int number_fd)
{
	int device = open(path, O_RDWR | O_CLOEXEC);
	char *memory = map_two();

	if (device < 0 || !memory)
		_exit(1);
	command(device, migrates ? HMM_MIGRATE_TO_DEVICE : HMM_READ, memory,
		memory + PAGES * PAGE_BYTES);
	if (write(number_fd, &device, sizeof(device)) == sizeof(device))
		for (;;)
			pause();
	_exit(1);
}

/* Uses a mirror whose process is gone. Every call must return, most of them with an error. */
static void use_dead_mirror(int device, uint64_t *random)
{
	static const unsigned long commands[] = { HMM_READ, HMM_WRITE, HMM_MIGRATE_TO_DEVICE,
						  HMM_MIGRATE_TO_SYSTEM, HMM_SNAPSHOT, HMM_EXCLUSIVE };
	char *memory = map_two();

	if (!memory)
		return;
	for (int i = 0; i < 3; i++)
		command(device, commands[random_below(random, 6)], memory, memory + PAGES * PAGE_BYTES);
	command(device, HMM_READ, memory, memory + PAGES * PAGE_BYTES);
	munmap(memory, 2 * PAGES * PAGE_BYTES);
}

static void bury(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * Takes the descriptor of the other process by the number that it reports; -1 when the process
 * has ended instead.
 */
static int take_descriptor(pid_t pid, int number_fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), number = -1, taken = -1;
	ssize_t length;

	if (pidfd < 0)
		return -1;
	do
		length = read(number_fd, &number, sizeof(number));
	while (length < 0 && errno == EINTR);
	if (length == sizeof(number))
		taken = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	close(pidfd);
	return taken;
}

static void outlive(const char *path, bool migrates, uint64_t *random)
{
	int number[2], device;
	pid_t pid;

	if (pipe2(number, O_CLOEXEC) < 0)
		workload_fail("pipe");
	pid = fork();
	if (pid == 0)
		be_mirrored(path, migrates, number[1]);
	close(number[1]);
	device = pid < 0 ? -1 : take_descriptor(pid, number[0]);
	close(number[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		bury(pid);
	}
	if (device < 0)
		return;
	use_dead_mirror(device, random);
	close(device);
}

void hmm_outlive_reader(uint64_t *random)
{
	outlive(READING_DEVICE, false, random);
}

void hmm_outlive(uint64_t *random)
{
	outlive(DEVICE, random_below(random, 2), random);
}

_Noreturn static void close_and_touch(bool forks)
{
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);
	char *memory = map_two();
	bool moved;

	if (device < 0 || !memory)
		_exit(1);
	moved = command(device, HMM_MIGRATE_TO_DEVICE, memory, memory + PAGES * PAGE_BYTES);
	/* The child of a process with pages on a device has these pages there as well. */
	if (forks && fork() == 0)
		pause_ms(1);
	close(device);
	for (size_t i = 0; i < PAGES; i++)
		if (*(volatile char *)(memory + i * PAGE_BYTES) != (char)i)
			_exit(WRONG);
	_exit(moved ? 0 : 1);
}

static void close_early(bool forks)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		close_and_touch(forks);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WRONG)
		workload_corrupted("memory that was on a device when its mirror was closed");
}

void hmm_close_early(void)
{
	close_early(false);
}

void hmm_close_shared(void)
{
	close_early(true);
}
