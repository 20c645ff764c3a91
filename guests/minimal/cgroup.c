// SPDX-License-Identifier: MIT
#include "cgroup.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 16

/* What is done with a cgroup that is open. True when there was something to do. */
typedef bool (*visit_fn)(int cgroup, int depth);

static bool visit_child(int directory, const char *name, int depth, visit_fn visit)
{
	int child = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool did;

	if (child < 0)
		return false;
	did = visit(child, depth);
	close(child);
	return did;
}

/*
 * Visits the cgroups in a cgroup, and removes those that are empty afterwards if asked to.
 * opendir() allocates memory; the system call that it uses does not.
 */
static bool visit_children(int directory, int depth, visit_fn visit, bool removes)
{
	_Alignas(struct dirent64) char buffer[1024];
	ssize_t length;
	bool did = false;

	if (depth == DEPTH_MAX)
		return false;
	while ((length = getdents64(directory, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);

			at += entry->d_reclen;
			if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
			    strcmp(entry->d_name, "..") == 0)
				continue;
			did = visit_child(directory, entry->d_name, depth + 1, visit) || did;
			if (removes)
				unlinkat(directory, entry->d_name, AT_REMOVEDIR);
		}
	}
	return did;
}

static bool remove_children(int cgroup, int depth)
{
	return visit_children(cgroup, depth, remove_children, true);
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

/* Sends SIGKILL to every process that a cgroup lists; true if it lists one. */
static bool kill_listed(int cgroup)
{
	char text[512];
	ssize_t length;
	pid_t pid = 0;
	bool did = false;
	int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while ((length = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t at = 0; at < length; at++) {
			if (text[at] >= '0' && text[at] <= '9') {
				pid = pid * 10 + (text[at] - '0');
			} else if (pid > 0) {
				kill(pid, SIGKILL);
				did = true;
				pid = 0;
			}
		}
	}
	close(fd);
	return did;
}

static bool kill_tree(int cgroup, int depth)
{
	bool did = kill_listed(cgroup);

	return visit_children(cgroup, depth, kill_tree, false) || did;
}

bool cgroup_kill(const char *path)
{
	int directory;
	bool did;

	if (cgroup_write(path, "cgroup.kill", "1"))
		return true;
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return true;
	did = kill_tree(directory, 0);
	close(directory);
	return !did;
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
