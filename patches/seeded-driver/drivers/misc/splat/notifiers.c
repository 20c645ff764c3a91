// SPDX-License-Identifier: GPL-2.0-only
/* Registrations: an hlist or interval notifier each, whose callbacks count themselves and do what the mode says. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "driver.h"

struct subscription {
	struct list_head link;
	struct splat_mn_client *client;
	u32 id;
	u32 kind;
	/* Starts that succeeded and had no end yet; only of an hlist notifier with an end op. */
	atomic_t unended;
	/* One of its starts failed: whether the core still calls the end of that one is not promised. */
	bool refused;
	/* Nobody may call back any more. */
	bool gone;
	union {
		struct mmu_notifier hlist;
		struct mmu_interval_notifier interval;
	};
};

/*
 * What the core promises its users. The names are what a report blames: the caller is in its trace.
 */
static noinline void splat_mn_assert_not_gone(const struct subscription *sub)
{
	WARN_ONCE(READ_ONCE(sub->gone), "a callback after its notifier was unregistered");
}

static noinline void splat_mn_assert_started(int unended)
{
	WARN_ONCE(unended < 0, "invalidate_range_end without its start");
}

static noinline void splat_mn_assert_ended(int unended)
{
	WARN_ONCE(unended > 0, "%d of invalidate_range_start without their end", unended);
}

struct splat_mn_client *splat_mn_client_of_interval(struct mmu_interval_notifier *notifier)
{
	return container_of(notifier, struct subscription, interval)->client;
}

int splat_mn_hlist_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct subscription *sub = container_of(notifier, struct subscription, hlist);
	bool blockable = mmu_notifier_range_blockable(range);
	int error;

	splat_mn_assert_not_gone(sub);
	splat_mn_count_start(SPLAT_MN_HLIST, blockable);
	splat_mn_count_event(range->event);
	error = splat_mn_invalidate(sub->client, blockable);
	if (error)
		WRITE_ONCE(sub->refused, true);
	else
		atomic_inc(&sub->unended);
	return error;
}

static void splat_mn_hlist_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct subscription *sub = container_of(notifier, struct subscription, hlist);
	struct splat_mn_client *client = sub->client;

	splat_mn_assert_not_gone(sub);
	if (!READ_ONCE(sub->refused))
		splat_mn_assert_started(atomic_dec_return(&sub->unended));
	splat_mn_count(SPLAT_MN_HLIST_END);
	if (client->bug->end)
		client->bug->end(client, mmu_notifier_range_blockable(range));
}

static bool splat_mn_interval_invalidate(struct mmu_interval_notifier *notifier,
				const struct mmu_notifier_range *range, unsigned long sequence)
{
	struct subscription *sub = container_of(notifier, struct subscription, interval);
	bool blockable = mmu_notifier_range_blockable(range);

	splat_mn_assert_not_gone(sub);
	splat_mn_count_start(SPLAT_MN_INTERVAL, blockable);
	splat_mn_count_event(range->event);
	mmu_interval_set_seq(notifier, sequence);
	return splat_mn_invalidate(sub->client, blockable) == 0;
}

static const struct mmu_notifier_ops start_ops = {
	.invalidate_range_start = splat_mn_hlist_start,
};

static const struct mmu_notifier_ops start_end_ops = {
	.invalidate_range_start = splat_mn_hlist_start,
	.invalidate_range_end = splat_mn_hlist_end,
};

static const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate = splat_mn_interval_invalidate,
};

static int insert(struct subscription *sub, const struct splat_mn_register *args)
{
	const struct splat_mn_bug *bug = sub->client->bug;
	const struct mmu_interval_notifier_ops *ops = bug->interval_ops ?: &interval_ops;
	struct mm_struct *mm = current->mm;
	int error;

	if (!bug->insert_locked)
		return mmu_interval_notifier_insert(&sub->interval, mm, args->start, args->length, ops);
	mmap_write_lock(mm);
	error = mmu_interval_notifier_insert_locked(&sub->interval, mm, args->start, args->length, ops);
	mmap_write_unlock(mm);
	return error;
}

static int subscribe(struct subscription *sub, const struct splat_mn_register *args)
{
	const struct splat_mn_bug *bug = sub->client->bug;

	if (sub->kind == SPLAT_MN_INTERVAL)
		return insert(sub, args);
	sub->hlist.ops = args->flags & SPLAT_MN_WITH_END ? &start_end_ops : &start_ops;
	if (bug->hlist_ops)
		sub->hlist.ops = bug->hlist_ops;
	return mmu_notifier_register(&sub->hlist, current->mm);
}

/*
 * Nothing is invalidated while all locks of an address space are held, which is how a registration comes between no start
 * and its end (mm/mmu_notifier.c, __mmu_notifier_register()): then as many have ended as have begun. An address space that
 * is being torn down is not asked: there the end of an invalidation by the oom_reaper may find the list empty.
 */
static void assert_balance(struct subscription *sub)
{
	struct mm_struct *mm = sub->hlist.mm;

	if (!sub->hlist.ops->invalidate_range_end || sub->refused || !mmget_not_zero(mm))
		return;
	mmap_write_lock(mm);
	if (mm_take_all_locks(mm) == 0) {
		splat_mn_assert_ended(atomic_read(&sub->unended));
		mm_drop_all_locks(mm);
	}
	mmap_write_unlock(mm);
	mmput(mm);
}

/* Those that were unregistered last, so that a callback that comes after all finds memory that says so. */
#define QUARANTINED 64
static DEFINE_SPINLOCK(quarantine_lock);
static struct subscription *quarantine[QUARANTINED];
static unsigned int quarantine_next;

static void retire(struct subscription *sub)
{
	struct subscription *oldest;

	WRITE_ONCE(sub->gone, true);
	spin_lock(&quarantine_lock);
	oldest = quarantine[quarantine_next];
	quarantine[quarantine_next] = sub;
	quarantine_next = (quarantine_next + 1) % QUARANTINED;
	spin_unlock(&quarantine_lock);
	kfree(oldest);
}

static void leave(struct subscription *sub)
{
	if (sub->kind == SPLAT_MN_INTERVAL)
		mmu_interval_notifier_remove(&sub->interval);
	else
		mmu_notifier_unregister(&sub->hlist, sub->hlist.mm);
}

/* Returns when no callback of sub runs or will run. The mm may be long dead: the core holds a reference. */
static void unsubscribe(struct subscription *sub)
{
	struct splat_mn_client *client = sub->client;

	list_del(&sub->link);
	if (sub->kind == SPLAT_MN_HLIST)
		assert_balance(sub);
	if (client->bug->unregister_locked) {
		splat_mn_count(SPLAT_MN_SEEDED);
		mutex_lock(&client->lock);
		leave(sub); /* BUG: waits for callbacks, which take the lock */
		mutex_unlock(&client->lock);
	} else {
		leave(sub);
	}
	retire(sub);
}

static bool valid_registration(const struct splat_mn_register *args)
{
	if (args->reserved || args->flags & ~SPLAT_MN_WITH_END)
		return false;
	if (args->kind == SPLAT_MN_HLIST)
		return true;
	return args->kind == SPLAT_MN_INTERVAL && !args->flags && args->length &&
	       PAGE_ALIGNED(args->start) && PAGE_ALIGNED(args->length);
}

int splat_mn_register(struct splat_mn_client *client, struct splat_mn_register *args)
{
	struct subscription *sub;
	int error;

	if (!valid_registration(args))
		return -EINVAL;
	sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);
	if (!sub)
		return -ENOMEM;
	sub->client = client;
	sub->kind = args->kind;

	if (client->bug->register_locked || client->bug->register_is_seed)
		splat_mn_count(SPLAT_MN_SEEDED);
	if (client->bug->register_locked) {
		mutex_lock(&client->lock);
		error = subscribe(sub, args);
		mutex_unlock(&client->lock);
	} else {
		error = subscribe(sub, args);
	}
	if (error) {
		kfree(sub);
		return error;
	}
	args->id = sub->id = ++client->last_id;
	list_add(&sub->link, &client->subscriptions);
	return 0;
}

int splat_mn_unregister(struct splat_mn_client *client, unsigned long id)
{
	struct subscription *sub;

	list_for_each_entry(sub, &client->subscriptions, link) {
		if (sub->id == id) {
			unsubscribe(sub);
			return 0;
		}
	}
	return -ENOENT;
}

struct mmu_interval_notifier *splat_mn_last_interval(struct splat_mn_client *client)
{
	struct subscription *sub =
		list_first_entry_or_null(&client->subscriptions, struct subscription, link);

	return sub && sub->kind == SPLAT_MN_INTERVAL ? &sub->interval : NULL;
}

void splat_mn_unregister_all(struct splat_mn_client *client)
{
	struct subscription *sub, *next;

	list_for_each_entry_safe(sub, next, &client->subscriptions, link)
		unsubscribe(sub);
}
