// SPDX-License-Identifier: GPL-2.0-only
/* /dev/splat_mn: the ioctls of splat_mn.h. */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "driver.h"

/* NULL when it has none any more. */
static struct mm_struct *parent_mm(void)
{
	struct task_struct *parent;
	struct mm_struct *mm;

	rcu_read_lock();
	parent = rcu_dereference(current->real_parent);
	get_task_struct(parent);
	rcu_read_unlock();
	mm = get_task_mm(parent);
	put_task_struct(parent);
	return mm;
}

static void forget_other_mm(struct splat_mn_client *client)
{
	if (client->other_mm)
		mmput(client->other_mm);
	client->other_mm = NULL;
}

static int arm(struct splat_mn_client *client, const struct splat_mn_arm *args)
{
	const struct splat_mn_bug *bug;

	if (args->mode >= SPLAT_MN_MODES)
		return -EINVAL;
	if (!list_empty(&client->subscriptions))
		return -EBUSY;
	bug = &splat_mn_bugs[args->mode];
	if (bug->absent)
		return -EOPNOTSUPP;
	forget_other_mm(client);
	if (bug->needs_other_mm)
		client->other_mm = parent_mm();
	atomic_set(&client->refusals, min_t(u32, args->refusals, INT_MAX));
	client->bug = bug;
	return 0;
}

static int kick(struct splat_mn_client *client)
{
	if (!client->bug->kick)
		return -EINVAL;
	splat_mn_count(SPLAT_MN_SEEDED);
	client->bug->kick(client);
	return 0;
}

/* Whoever invalidates meanwhile waits where it may, with the locks it has. */
static long hold(struct splat_mn_client *client, unsigned long ms)
{
	mutex_lock(&client->lock);
	schedule_timeout_interruptible(msecs_to_jiffies(min(ms, 60000UL)));
	mutex_unlock(&client->lock);
	return 0;
}

static long locked_ioctl(struct splat_mn_client *client, unsigned int command, void *args, unsigned long id)
{
	int error;

	if (mutex_lock_killable(&client->setup))
		return -EINTR;
	switch (command) {
	case SPLAT_MN_IOC_REGISTER:
		error = splat_mn_register(client, args);
		break;
	case SPLAT_MN_IOC_UNREGISTER:
		error = splat_mn_unregister(client, id);
		break;
	case SPLAT_MN_IOC_ARM:
		error = arm(client, args);
		break;
	case SPLAT_MN_IOC_KICK:
		error = kick(client);
		break;
	default:
		error = -ENOTTY;
	}
	mutex_unlock(&client->setup);
	return error;
}

/* User memory is touched outside setup: a fault must not make setup a part of the lock orders under test. */
static long splat_mn_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	union {
		struct splat_mn_register registration;
		struct splat_mn_arm arming;
	} args = {};
	void __user *from = (void __user *)argument;
	unsigned int size = _IOC_SIZE(command);
	long error;

	if (size > sizeof(args))
		return -ENOTTY;
	if (_IOC_DIR(command) & _IOC_WRITE && copy_from_user(&args, from, size))
		return -EFAULT;
	if (command == SPLAT_MN_IOC_HOLD)
		return hold(file->private_data, argument);
	error = locked_ioctl(file->private_data, command, &args, argument);
	if (!error && _IOC_DIR(command) & _IOC_READ && copy_to_user(from, &args, size))
		return -EFAULT;
	return error;
}

static int splat_mn_open(struct inode *inode, struct file *file)
{
	struct splat_mn_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return -ENOMEM;
	mutex_init(&client->lock);
	mutex_init(&client->end_lock);
	spin_lock_init(&client->spin);
	mutex_init(&client->setup);
	dma_resv_init(&client->reservation);
	INIT_LIST_HEAD(&client->subscriptions);
	client->bug = &splat_mn_bugs[SPLAT_MN_WELL_BEHAVED];
	file->private_data = client;
	return 0;
}

static int splat_mn_release(struct inode *inode, struct file *file)
{
	struct splat_mn_client *client = file->private_data;

	splat_mn_unregister_all(client);
	forget_other_mm(client);
	dma_resv_fini(&client->reservation);
	kfree(client);
	return 0;
}

static const struct file_operations splat_mn_fops = {
	.open = splat_mn_open,
	.release = splat_mn_release,
	.unlocked_ioctl = splat_mn_ioctl,
};

static struct miscdevice splat_mn_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "splat_mn",
	.fops = &splat_mn_fops,
	.mode = 0600,
};

static int __init splat_mn_init(void)
{
	int error = misc_register(&splat_mn_device);

	if (!error)
		splat_mn_counters_create();
	return error;
}
device_initcall(splat_mn_init);
