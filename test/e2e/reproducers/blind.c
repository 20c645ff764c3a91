/*
 * Takes a detector away, as the first argument says, and exits as if nothing had been: what the
 * kernel would say from now on is not checked, or not printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name, *path, *value;
} attacks[] = {
	{ "prove-locking", "/proc/sys/kernel/prove_locking", "0" },
	{ "console-level", "/proc/sys/kernel/printk", "1" },
	{ "console-level", "/sys/module/printk/parameters/ignore_loglevel", "N" },
	{ "console-lost", "/sys/class/tty/ttyS0/console", "N" },
};

static int write_to(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	int failed = fd < 0 || write(fd, value, strlen(value)) < 0;

	if (failed)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return failed;
}

int main(int argc, char **argv)
{
	int done = 0;

	for (size_t i = 0; argc > 1 && i < sizeof(attacks) / sizeof(*attacks); i++) {
		if (strcmp(attacks[i].name, argv[1]) != 0)
			continue;
		if (write_to(attacks[i].path, attacks[i].value))
			return 1;
		done++;
	}
	return done == 0;
}
