// SPDX-License-Identifier: MIT
#include "blocks.h"

#include "files.h"
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "/sys/devices/system/memory"

static void path_of(const struct blocks *blocks, size_t index, char *path)
{
	snprintf(path, PATH_MAX, FOLDER "/memory%u/state", blocks->number[index]);
}

static bool is_online(const struct blocks *blocks, size_t index)
{
	char path[PATH_MAX], state[16];

	path_of(blocks, index, path);
	return read_file(path, state, sizeof(state)) && strcmp(state, "online") == 0;
}

void blocks_find(struct blocks *blocks)
{
	DIR *folder = opendir(FOLDER);
	const struct dirent *entry;

	blocks->count = 0;
	while (folder && (entry = readdir(folder)) && blocks->count < BLOCKS_MAX)
		if (sscanf(entry->d_name, "memory%u", &blocks->number[blocks->count]) == 1 &&
		    is_online(blocks, blocks->count))
			blocks->count++;
	if (folder)
		closedir(folder);
}

static void interrupt(int number)
{
	(void)number;
}

bool blocks_take(const struct blocks *blocks, size_t index, unsigned alarm_ms)
{
	struct itimerval timer = { .it_value = { alarm_ms / 1000,
						 (suseconds_t)(alarm_ms % 1000) * 1000 } };
	struct sigaction action = { .sa_handler = interrupt };
	char path[PATH_MAX];
	pid_t pid;

	path_of(blocks, index, path);
	/* In a child, because the alarm must interrupt only this write. */
	pid = fork();
	if (pid == 0) {
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &timer, NULL);
		write_file(path, "offline");
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return !is_online(blocks, index);
}

void blocks_return(const struct blocks *blocks, size_t index, bool movable_only)
{
	char path[PATH_MAX];

	path_of(blocks, index, path);
	/*
	 * Not every block can be put online as movable memory. Every block can be put online as
	 * normal memory, as it was before.
	 */
	if (movable_only && write_file(path, "online_movable"))
		return;
	for (int tries = 0; !write_file(path, "online"); tries++) {
		if (is_online(blocks, index))
			return;
		if (tries == 20)
			workload_fail("give block %u back", blocks->number[index]);
		pause_ms(10);
	}
}
