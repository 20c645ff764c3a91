/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes whole small files (entries of proc, sysfs, cgroup and debugfs), without
 * allocation.
 */
#ifndef SPLAT_FILES_H
#define SPLAT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time of CLOCK_MONOTONIC in nanoseconds. */
uint64_t monotonic_ns(void);

/* Writes text to an existing file in one write(2); false with errno set on failure. */
bool write_file(const char *path, const char *text);

/*
 * Reads at most size - 1 bytes of a file, ends them with a NUL and drops one final
 * newline; false with errno set on failure.
 */
bool read_file(const char *path, char *text, size_t size);

/* Writes all bytes to fd, also after short writes and EINTR. False with errno set on failure. */
bool write_all(int fd, const void *bytes, size_t length);

#endif
