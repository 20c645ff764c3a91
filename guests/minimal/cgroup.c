// SPDX-License-Identifier: MIT
#include "cgroup.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 16

static void remove_children(int directory, int depth);

static void remove_child(int directory, const char *name, int depth)
{
	int child = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (child < 0)
		return;
	remove_children(child, depth + 1);
	close(child);
	unlinkat(directory, name, AT_REMOVEDIR);
}

/* opendir() allocates memory; the system call that it uses does not. */
static void remove_children(int directory, int depth)
{
	_Alignas(struct dirent64) char buffer[1024];
	ssize_t length;

	if (depth == DEPTH_MAX)
		return;
	while ((length = getdents64(directory, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);

			if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
			    strcmp(entry->d_name, "..") != 0)
				remove_child(directory, entry->d_name, depth);
			at += entry->d_reclen;
		}
	}
}

bool cgroup_remove(const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory >= 0) {
		remove_children(directory, 0);
		close(directory);
	}
	return rmdir(path) == 0 || errno == ENOENT;
}

bool cgroup_parent(char *path, size_t size)
{
	char own[PATH_MAX];
	char *slash;

	/* In a guest that has only cgroup v2, the file is one line "0::/trial/program". */
	if (!read_file("/proc/self/cgroup", own, sizeof(own)))
		return false;
	if (strncmp(own, "0::/", 4) != 0) {
		errno = ENOTSUP;
		return false;
	}
	slash = strrchr(own, '/');
	*slash = '\0';
	return (size_t)snprintf(path, size, CGROUP_ROOT "%s", own + 3) < size;
}

bool cgroup_write(const char *cgroup, const char *entry, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, entry);
	return write_file(path, text);
}
