// SPDX-License-Identifier: GPL-2.0-only
/* How often callbacks ran: one decimal file a counter in debugfs, and `reset`. */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "driver.h"

static atomic_t counts[SPLAT_MN_COUNTERS];

static const char *const names[SPLAT_MN_COUNTERS] = {
	[SPLAT_MN_HLIST_START_BLOCKABLE] = "hlist_start_blockable",
	[SPLAT_MN_HLIST_START_NONBLOCKABLE] = "hlist_start_nonblockable",
	[SPLAT_MN_HLIST_START_OOM_REAPER] = "hlist_start_oom_reaper",
	[SPLAT_MN_HLIST_END] = "hlist_end",
	[SPLAT_MN_INTERVAL_BLOCKABLE] = "interval_blockable",
	[SPLAT_MN_INTERVAL_NONBLOCKABLE] = "interval_nonblockable",
	[SPLAT_MN_INTERVAL_OOM_REAPER] = "interval_oom_reaper",
	[SPLAT_MN_SEEDED] = "seeded",
	[SPLAT_MN_EVENT_UNMAP] = "event_unmap",
	[SPLAT_MN_EVENT_CLEAR] = "event_clear",
	[SPLAT_MN_EVENT_PROTECTION_VMA] = "event_protection_vma",
	[SPLAT_MN_EVENT_PROTECTION_PAGE] = "event_protection_page",
	[SPLAT_MN_EVENT_SOFT_DIRTY] = "event_soft_dirty",
	[SPLAT_MN_EVENT_RELEASE] = "event_release",
	[SPLAT_MN_EVENT_MIGRATE] = "event_migrate",
	[SPLAT_MN_EVENT_EXCLUSIVE] = "event_exclusive",
};

void splat_mn_count(enum splat_mn_counter counter)
{
	atomic_inc(&counts[counter]);
}

void splat_mn_count_event(unsigned int event)
{
	if (event < SPLAT_MN_COUNTERS - SPLAT_MN_EVENT_UNMAP)
		splat_mn_count(SPLAT_MN_EVENT_UNMAP + event);
}

/* The reaper is a kernel thread started once by mm/oom_kill.c; only its name tells it apart. */
static bool in_oom_reaper(void)
{
	return (current->flags & PF_KTHREAD) && !strcmp(current->comm, "oom_reaper");
}

void splat_mn_count_start(enum splat_mn_kind kind, bool blockable)
{
	bool hlist = kind == SPLAT_MN_HLIST;

	if (blockable) {
		splat_mn_count(hlist ? SPLAT_MN_HLIST_START_BLOCKABLE : SPLAT_MN_INTERVAL_BLOCKABLE);
		return;
	}
	splat_mn_count(hlist ? SPLAT_MN_HLIST_START_NONBLOCKABLE : SPLAT_MN_INTERVAL_NONBLOCKABLE);
	if (in_oom_reaper())
		splat_mn_count(hlist ? SPLAT_MN_HLIST_START_OOM_REAPER : SPLAT_MN_INTERVAL_OOM_REAPER);
}

static ssize_t reset_write(struct file *file, const char __user *text, size_t size, loff_t *offset)
{
	int i;

	for (i = 0; i < SPLAT_MN_COUNTERS; i++)
		atomic_set(&counts[i], 0);
	return size;
}

static const struct file_operations reset_fops = {
	.open = simple_open,
	.write = reset_write,
};

void splat_mn_counters_create(void)
{
	struct dentry *directory = debugfs_create_dir("splat_mn", NULL);
	int i;

	for (i = 0; i < SPLAT_MN_COUNTERS; i++)
		debugfs_create_atomic_t(names[i], 0444, directory, &counts[i]);
	debugfs_create_file("reset", 0200, directory, NULL, &reset_fops);
}
