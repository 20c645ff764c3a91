// SPDX-License-Identifier: MIT
#include "readers.h"

#include "gpu.h"
#include "random.h"
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_BYTES (64ul << 10)
#define PATH_BYTES 256
#define DEPTH_MAX 2

/* Files of the workload's process; reading them changes nothing. */
static const char *const own_files[] = {
	"smaps", "smaps_rollup", "maps", "numa_maps", "stat", "status", "statm", "oom_score",
	"smaps", "fdinfo",
};

/* A file, or a folder of which one random file is read, at most two folders below. */
static const char *const kernel_files[] = {
	"/proc/buddyinfo",
	"/proc/meminfo",
	"/proc/pagetypeinfo",
	"/proc/slabinfo",
	"/proc/swaps",
	"/proc/vmallocinfo",
	"/proc/vmstat",
	"/proc/zoneinfo",
	"/sys/block/zram0",
	"/sys/devices/virtual/bdi",
	"/sys/fs/cgroup",
	"/sys/kernel/debug/bdi",
	"/sys/kernel/debug/block",
	"/sys/kernel/debug/dma_buf",
	"/sys/kernel/debug/dri",
	"/sys/kernel/debug/kvm",
	"/sys/kernel/debug/shrinker",
	"/sys/kernel/debug/slab",
	"/sys/kernel/debug/sync",
	"/sys/kernel/debug/zsmalloc",
	"/sys/kernel/debug/lru_gen",
	"/sys/kernel/mm",
	"/sys/kernel/slab",
};

struct reader {
	pid_t subject;
	uint64_t random;
	char *buffer;	/* MOST_BYTES */
};

static void read_some(struct reader *reader, const char *path, off_t offset, size_t length)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	while (length > 0) {
		ssize_t got = pread(fd, reader->buffer, length < 4096 ? length : 4096, offset);

		if (got <= 0)
			break;
		offset += got;
		length -= (size_t)got < length ? (size_t)got : length;
	}
	close(fd);
}

static bool is_read(const char *name)
{
	return name[0] != '.' && strcmp(name, GPU_FRAMEBUFFERS_FILE) != 0;
}

/* The name of one readable entry, each with the same chance; false if there is none. */
static bool pick_entry(struct reader *reader, const char *folder, char *name, size_t size)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	unsigned seen = 0;

	if (!directory)
		return false;
	while ((entry = readdir(directory)))
		if (is_read(entry->d_name) && random_below(&reader->random, ++seen) == 0)
			snprintf(name, size, "%s", entry->d_name);
	closedir(directory);
	return seen > 0;
}

static void read_path(struct reader *reader, const char *path, unsigned depth)
{
	char name[NAME_MAX + 1], below[PATH_BYTES + NAME_MAX + 2];
	struct stat status;

	if (lstat(path, &status) < 0)
		return;
	if (S_ISREG(status.st_mode) && (status.st_mode & 0444))
		read_some(reader, path, 0, MOST_BYTES);
	if (!S_ISDIR(status.st_mode) || depth > DEPTH_MAX ||
	    !pick_entry(reader, path, name, sizeof(name)))
		return;
	if ((size_t)snprintf(below, PATH_BYTES, "%s/%s", path, name) < PATH_BYTES)
		read_path(reader, below, depth + 1);
}

/* The start of one of the subject's mappings; 0 if there is none. */
static unsigned long pick_mapping(struct reader *reader)
{
	char path[PATH_BYTES], line[512];
	unsigned long start = 0;
	unsigned seen = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", reader->subject);
	maps = fopen(path, "re");
	if (!maps)
		return 0;
	while (fgets(line, sizeof(line), maps))
		if (random_below(&reader->random, ++seen) == 0)
			start = strtoul(line, NULL, 16);
	fclose(maps);
	return start;
}

static void write_text(const char *path, const void *text, size_t length, off_t offset)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!pwrite(fd, text, length, offset);
	close(fd);
}

/* Has the kernel walk page tables entry by entry, and make old pages of young ones. */
static void read_pages(struct reader *reader)
{
	static const char *const kinds[] = { "1", "2", "3", "4" };
	off_t page = (off_t)random_below(&reader->random, (1ul << 30) / PAGE_BYTES);
	uint64_t all = UINT64_MAX;
	char path[PATH_BYTES];

	switch (random_below(&reader->random, 5)) {
	case 0:
		snprintf(path, sizeof(path), "/proc/%d/pagemap", reader->subject);
		read_some(reader, path, (off_t)(pick_mapping(reader) / PAGE_BYTES * 8), 16384);
		return;
	case 1:
		snprintf(path, sizeof(path), "/proc/%d/clear_refs", reader->subject);
		write_text(path, kinds[random_below(&reader->random, 4)], 1, 0);
		return;
	case 2:
		read_some(reader, random_below(&reader->random, 2) ? "/proc/kpageflags" : "/proc/kpagecount",
			  page * 8, 4096);
		return;
	case 3:
		read_some(reader, "/sys/kernel/mm/page_idle/bitmap", page / 64 * 8, 64);
		return;
	default:
		write_text("/sys/kernel/mm/page_idle/bitmap", &all, sizeof(all), page / 64 * 8);
	}
}

static void read_round(struct reader *reader)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "/proc/%d/%s", reader->subject,
		 own_files[random_below(&reader->random, sizeof(own_files) / sizeof(own_files[0]))]);
	read_path(reader, path, DEPTH_MAX);
	read_path(reader,
		  kernel_files[random_below(&reader->random,
					    sizeof(kernel_files) / sizeof(kernel_files[0]))],
		  0);
	read_pages(reader);
}

pid_t readers_start(uint64_t seed)
{
	struct reader reader = { .subject = getpid(), .random = random_stream(seed, 2000) };
	pid_t pid = fork();

	if (pid < 0)
		workload_fail("start a reader");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Files that the workload closes must not stay open here. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	setpriority(PRIO_PROCESS, 0, 19);
	reader.buffer = malloc(MOST_BYTES);
	/* The parent may have ended before prctl() above could tie this process to it. */
	while (reader.buffer && getppid() == reader.subject)
		read_round(&reader);
	_exit(0);
}

void readers_stop(pid_t reader)
{
	kill(reader, SIGKILL);
	while (waitpid(reader, NULL, 0) < 0 && errno == EINTR)
		;
}
