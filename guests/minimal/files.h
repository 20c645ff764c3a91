/* SPDX-License-Identifier: MIT */
/* Whole small files (proc, sysfs, cgroup and debugfs entries), without allocation. */
#ifndef SPLAT_FILES_H
#define SPLAT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t monotonic_ns(void);

/* Writes text to an existing file in one write(2); false with errno set on failure. */
bool write_file(const char *path, const char *text);

/*
 * Reads at most size - 1 bytes of a file, ends them with a NUL and drops one final
 * newline; false with errno set on failure.
 */
bool read_file(const char *path, char *text, size_t size);

/* Writes all bytes to fd, across short writes and EINTR; false with errno set on failure. */
bool write_all(int fd, const void *bytes, size_t length);

#endif
