// SPDX-License-Identifier: MIT
/*
 * seize lines|garbage: stops the agent, takes its port from it and writes to the host at full speed: answers to requests
 * nobody made, or bytes without a line end.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The agent's descriptor of /dev/vportNpM, as one of ours; -1 when it has none. */
static int take_port(pid_t agent)
{
	char dir[64], path[128], target[128];
	int pidfd = (int)syscall(SYS_pidfd_open, agent, 0);
	struct dirent *item;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", agent);
	fds = opendir(dir);
	while (fds != NULL && (item = readdir(fds)) != NULL) {
		ssize_t length;

		snprintf(path, sizeof(path), "%s/%.16s", dir, item->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
		if (strncmp(target, "/dev/vport", 10) == 0)
			return (int)syscall(SYS_pidfd_getfd, pidfd, atoi(item->d_name), 0);
	}
	return -1;
}

int main(int argc, char **argv)
{
	static char block[32768];
	const char *line = "1 out 1 flood%20flood%20flood%20flood%20flood%20flood\n";
	pid_t agent = getppid();
	int port;

	memset(block, 'x', sizeof(block));
	if (argc == 2 && strcmp(argv[1], "lines") == 0)
		for (size_t at = 0; at + strlen(line) <= sizeof(block); at += strlen(line))
			memcpy(block + at, line, strlen(line));
	/* Once its first words are with the host: they go by the same port. */
	puts("start");
	fflush(stdout);
	sleep(1);
	kill(agent, SIGSTOP);
	port = take_port(agent);
	if (port < 0) {
		perror("seize");
		kill(agent, SIGCONT);
		return 1;
	}
	for (;;)
		if (write(port, block, sizeof(block)) < 0)
			usleep(1000);
}
