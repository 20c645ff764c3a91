// SPDX-License-Identifier: MIT
/*
 * Records which requests of ioctl(2) did not fail, for a coverage run. All programs are linked
 * with --wrap=ioctl. If /tmp/ioctls exists, it becomes a table that the program and its
 * children share: 32-bit numbers, with 0 for a free place. Without the file nothing is
 * recorded.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TABLE_FILE "/tmp/ioctls"
#define PLACES 1024u

static _Atomic uint32_t *table;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, ...);

__attribute__((constructor)) static void open_table(void)
{
	int fd = open(TABLE_FILE, O_RDWR | O_CLOEXEC);
	void *mapped;

	if (fd < 0)
		return;
	if (ftruncate(fd, PLACES * sizeof(*table)) == 0) {
		mapped = mmap(NULL, PLACES * sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      0);
		if (mapped != MAP_FAILED)
			table = mapped;
	}
	close(fd);
}

static void note(uint32_t request)
{
	uint32_t place = request * 2654435761u >> 22;

	for (unsigned i = 0; i < PLACES; i++) {
		uint32_t seen = 0;

		if (table[(place + i) % PLACES] == request ||
		    atomic_compare_exchange_strong(&table[(place + i) % PLACES], &seen, request) ||
		    seen == request)
			return;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, request);
	result = __real_ioctl(fd, request, va_arg(arguments, void *));
	va_end(arguments);
	if (table && result >= 0)
		note((uint32_t)request);
	return result;
}
