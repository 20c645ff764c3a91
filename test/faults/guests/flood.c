// SPDX-License-Identifier: MIT
/* flood FILE: writes lines to it at full speed, for ever; - is its output. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char line[512];
	unsigned long count = 0;
	bool own = argc == 2 && strcmp(argv[1], "-") == 0;
	int fd = own ? STDOUT_FILENO : argc == 2 ? open(argv[1], O_WRONLY | O_NOCTTY) : -1;

	if (fd < 0) {
		perror("flood");
		return 1;
	}
	puts("start");
	fflush(stdout);
	memset(line, 'x', sizeof(line));
	for (;;) {
		int length = snprintf(line, sizeof(line), "flood %lu", ++count);

		line[length] = ' ';
		line[sizeof(line) - 1] = '\n';
		if (write(fd, line, sizeof(line)) < 0 && errno != EAGAIN && errno != EINTR) {
			perror("flood: write");
			return 1;
		}
	}
}
