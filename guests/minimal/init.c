// SPDX-License-Identifier: MIT
/*
 * Pid 1: mounts the pseudo file systems, links the programs into /bin, switches
 * swap on, starts the agent and reaps orphans. A guest without its agent is
 * useless, so the end of the agent is the end of the guest: it reboots, which
 * under QEMU's -no-reboot ends QEMU (without ACPI a power-off would only halt).
 */
#include "files.h"
#include "program.h"
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct mount_point {
	const char *target;
	const char *type;
	const char *options;
} mount_points[] = {
	{ "/dev", "devtmpfs", "mode=0755" },
	{ "/proc", "proc", NULL },
	{ "/sys", "sysfs", NULL },
	{ "/sys/kernel/debug", "debugfs", NULL },
	{ "/sys/kernel/tracing", "tracefs", NULL },
	/* A guarantee (memory.low) that a cgroup does not use is shared out among those below it, as systemd mounts it. */
	{ "/sys/fs/cgroup", "cgroup2", "memory_recursiveprot" },
	{ "/tmp", "tmpfs", "mode=1777" },
	{ "/dev/shm", "tmpfs", "mode=1777" },
	/* Not tmpfs: a file that is mapped through the plain page cache. */
	{ "/run", "ramfs", "mode=0755" },
};

/* The console is the only place where pid 1 can complain. */
static void complain(const char *what, const char *which)
{
	printf("splat-init: %s %s: %s\n", what, which, strerror(errno));
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++) {
		const struct mount_point *point = &mount_points[i];

		mkdir(point->target, 0755);
		/* Without options where the kernel is older than one of them. */
		if (mount(point->type, point->target, point->type, MS_NOSUID, point->options) < 0 &&
		    mount(point->type, point->target, point->type, MS_NOSUID, NULL) < 0)
			complain("mount", point->target);
	}
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		return;
	for (int standard = 0; standard <= 2; standard++)
		dup2(fd, standard);
	if (fd > 2)
		close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* A program of this binary is there by its own name. */
static void link_program(const struct program *program)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/bin/%s", program->name);
	if (symlink("/init", path) < 0 && errno != EEXIST)
		complain("link", path);
}

static pid_t start_agent(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		execl("/proc/self/exe", "agent", (char *)NULL);
		complain("exec", "agent");
		_exit(1);
	}
	if (pid < 0)
		complain("fork", "agent");
	return pid;
}

/* Reaps every orphan; returns the wait status of the agent when that ends. */
static int reap_until_end_of(pid_t agent)
{
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid == agent)
			return status;
		if (pid < 0 && errno == ECHILD)
			return W_EXITCODE(1, 0);
	}
}

static int init_main(int argc, char **argv)
{
	int status;

	(void)argc;
	(void)argv;
	if (getpid() != 1) {
		fputs("init: only as pid 1\n", stderr);
		return 1;
	}
	setenv("PATH", "/bin", 1);
	setenv("HOME", "/tmp", 1);
	mount_all();
	open_console();
	programs_each(link_program);
	if (!write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		complain("enable", "the memory controller");
	if (access(SWAP_DEVICE, F_OK) == 0 && !swap_enable(SWAP_DEVICE))
		complain("swap on", SWAP_DEVICE);

	status = reap_until_end_of(start_agent());
	if (WIFSIGNALED(status))
		printf("splat-init: the agent was killed by signal %d, rebooting\n",
		       WTERMSIG(status));
	else
		printf("splat-init: the agent exited with %d, rebooting\n", WEXITSTATUS(status));
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}

PROGRAM("init", init_main);
