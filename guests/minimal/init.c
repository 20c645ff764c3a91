// SPDX-License-Identifier: MIT
/*
 * Pid 1: mounts the pseudo file systems, enters a distribution where the guest has
 * one on a disk, links the programs into /bin, switches swap on, starts the agent and
 * reaps orphans. A guest without its agent is useless, so the end of the agent is the
 * end of the guest: it reboots, which under QEMU's -no-reboot ends QEMU (without ACPI
 * a power-off would only halt).
 */
#include "files.h"
#include "layers.h"
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
	/*
	 * A cgroup's guarantee (memory.low) that it does not use is distributed among the
	 * cgroups below it; systemd mounts cgroup v2 in this way.
	 */
	{ "/sys/fs/cgroup", "cgroup2", "memory_recursiveprot" },
	{ "/tmp", "tmpfs", "mode=1777" },
	{ "/dev/shm", "tmpfs", "mode=1777" },
	/* ramfs and not tmpfs, for files that are mapped through the plain page cache. */
	{ "/run", "ramfs", "mode=0755" },
};

/* The mounts that move into the distribution, with everything below them. */
static const char *const moved[] = { "/dev", "/proc", "/sys", "/tmp", "/run" };
static const char *const borrowed[] = { "/bin/insmod", "/bin/modprobe" };
#define SYSTEM "/system"
/*
 * The kernel puts a parameter that it does not know into the environment of init
 * (bootparam(7)).
 */
#define SYSTEM_DISK "SPLAT_SYSTEM"

/* Prints a complaint on the console, the only place where pid 1 can complain. */
static void complain(const char *what, const char *which)
{
	printf("splat-init: %s %s: %s\n", what, which, strerror(errno));
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++) {
		const struct mount_point *point = &mount_points[i];

		mkdir(point->target, 0755);
		/* Tries again without options, for kernels that are too old for one of them. */
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

/* The path of this binary. */
static const char *own_path = "/init";

/*
 * Links a program of this binary to /bin under its own name, even if a distribution has a
 * program of that name.
 */
static void link_program(const struct program *program)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/bin/%s", program->name);
	if (unlink(path) < 0 && errno != ENOENT)
		complain("replace", path);
	if (symlink(own_path, path) < 0)
		complain("link", path);
}

/*
 * Makes the distribution on the disk with that serial number the root file system. The mounts
 * move there, and the former root, with this binary and busybox, becomes its folder /splat.
 * False if there is no such disk, or if the kernel cannot mount it.
 */
static bool enter_system(const char *serial)
{
	const char *failed;
	char disk[300];

	if (!disk_find(serial, disk, sizeof(disk))) {
		printf("splat-init: no disk has the serial number %s\n", serial);
		return false;
	}
	failed = layers_mount(disk, SYSTEM);
	if (failed) {
		complain("mount", failed);
		return false;
	}
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		char target[64];

		snprintf(target, sizeof(target), SYSTEM "/root%s", moved[i]);
		mkdir(target, 0755);
		if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
			complain("move", moved[i]);
	}
	mkdir(SYSTEM "/root/splat", 0755);
	if (mount("/", SYSTEM "/root/splat", NULL, MS_BIND, NULL) < 0 ||
	    chdir(SYSTEM "/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 ||
	    chroot(".") < 0 || chdir("/") < 0) {
		complain("enter", SYSTEM "/root");
		return false;
	}
	/* The kernel's modules, and the programs that load them if the distribution has none. */
	if (access("/splat/lib/modules", F_OK) == 0) {
		mkdir("/lib/modules", 0755);
		if (mount("/splat/lib/modules", "/lib/modules", NULL, MS_BIND, NULL) < 0)
			complain("mount", "/lib/modules");
	}
	for (size_t i = 0; i < sizeof(borrowed) / sizeof(borrowed[0]); i++)
		if (symlink("/splat/bin/busybox", borrowed[i]) < 0 && errno != EEXIST)
			complain("link", borrowed[i]);
	own_path = "/splat/init";
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	return true;
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

/* Reaps every orphan. Returns the wait status of the agent when the agent ends. */
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

static int end_guest(void)
{
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 1;
}

/*
 * The files that make a detector report everything it sees; a kernel without the detector has
 * no such file. DMA_API_DEBUG reports only the first error since boot unless it is asked for
 * all (Documentation/core-api/dma-api.rst).
 */
static const char *const asked_for[][2] = {
	{ "/sys/kernel/debug/dma-api/all_errors", "1" },
};

static void ask_detectors(void)
{
	for (size_t i = 0; i < sizeof(asked_for) / sizeof(asked_for[0]); i++)
		if (!write_file(asked_for[i][0], asked_for[i][1]) && errno != ENOENT)
			complain("set", asked_for[i][0]);
}

static int init_main(int argc, char **argv)
{
	const char *system;
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
	system = getenv(SYSTEM_DISK);
	if (system && !enter_system(system))
		return end_guest();
	programs_each(link_program);
	ask_detectors();
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
	return end_guest();
}

PROGRAM("init", init_main);
