// SPDX-License-Identifier: GPL-2.0-only
/* /sys/kernel/debug/reloaded: reading counts, writing says under a spinlock that it may sleep. */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(reads_lock);
static unsigned int reads;
static struct dentry *file;

static ssize_t reloaded_read(struct file *filp, char __user *to, size_t size, loff_t *at)
{
	char text[16];
	int length;

	spin_lock(&reads_lock);
	/* Who reads on to the end of the file reads twice. */
	reads += *at == 0;
	length = scnprintf(text, sizeof(text), "%u\n", reads);
	spin_unlock(&reads_lock);
	return simple_read_from_buffer(to, size, at, text, length);
}

static ssize_t reloaded_write(struct file *filp, const char __user *from, size_t size, loff_t *at)
{
	spin_lock(&reads_lock);
	might_sleep(); /* BUG */
	spin_unlock(&reads_lock);
	return size;
}

static const struct file_operations reloaded_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = reloaded_read,
	.write = reloaded_write,
};

static int __init reloaded_init(void)
{
	file = debugfs_create_file("reloaded", 0600, NULL, NULL, &reloaded_fops);
	return PTR_ERR_OR_ZERO(file);
}

static void __exit reloaded_exit(void)
{
	debugfs_remove(file);
}

module_init(reloaded_init);
module_exit(reloaded_exit);
MODULE_DESCRIPTION("unloaded and loaded again by a test");
MODULE_LICENSE("GPL");
