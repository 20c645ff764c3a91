// SPDX-License-Identifier: MIT
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool close_keeping_errno(int fd, bool result)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return result;
}

bool write_file(const char *path, const char *text)
{
	size_t length = strlen(text);
	ssize_t written;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	written = write(fd, text, length);
	if (written >= 0 && (size_t)written != length)
		errno = EIO;
	return close_keeping_errno(fd, written == (ssize_t)length);
}

bool read_file(const char *path, char *text, size_t size)
{
	ssize_t length;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	length = read(fd, text, size - 1);
	if (length < 0)
		return close_keeping_errno(fd, false);
	if (length > 0 && text[length - 1] == '\n')
		length--;
	text[length] = '\0';
	return close_keeping_errno(fd, true);
}

bool write_all(int fd, const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0) {
		ssize_t written = write(fd, next, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		next += written;
		length -= (size_t)written;
	}
	return true;
}
