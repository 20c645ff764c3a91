// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modes: each breaks one rule of the mmu notifier contract and no other. Statements marked BUG are the seeds.
 * Every function has the prefix, and noinline where it sleeps or locks: its name is what a report shows.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "driver.h"

noinline int splat_mn_take_lock(struct splat_mn_client *client)
{
	mutex_lock(&client->lock);
	mutex_unlock(&client->lock);
	return 0;
}

static int splat_mn_try_lock(struct splat_mn_client *client)
{
	if (!mutex_trylock(&client->lock))
		return -EAGAIN;
	mutex_unlock(&client->lock);
	return 0;
}

/* A page: any __alloc_pages() that may block says so to lockdep and to might_sleep(), whether it has to or not. */
noinline void splat_mn_allocate(gfp_t gfp)
{
	free_page(__get_free_page(gfp));
}

static int splat_mn_refuse_again(struct splat_mn_client *client)
{
	return -EAGAIN;
}

static int splat_mn_refuse_invalid(struct splat_mn_client *client)
{
	return -EINVAL;
}

static int splat_mn_allocate_kernel(struct splat_mn_client *client)
{
	splat_mn_allocate(GFP_KERNEL); /* BUG */
	return 0;
}

/* The condition holds already: what must be seen is that it might have slept. */
static noinline int splat_mn_wait_for_event(struct splat_mn_client *client)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(queue);

	wait_event(queue, true); /* BUG when non-blockable */
	return 0;
}

/* The stub fence is signalled from the start: no wait, only its annotations. */
noinline int splat_mn_wait_for_fence(struct splat_mn_client *client)
{
	struct dma_fence *fence = dma_fence_get_stub();

	dma_fence_wait(fence, false); /* BUG when non-blockable */
	dma_fence_put(fence);
	return 0;
}

static noinline void splat_mn_third_call(void)
{
	might_sleep(); /* BUG */
}

static noinline void splat_mn_second_call(void)
{
	splat_mn_third_call();
	barrier(); /* no tail call: it would drop this frame */
}

static noinline int splat_mn_first_call(struct splat_mn_client *client)
{
	splat_mn_second_call();
	barrier();
	return 0;
}

static int splat_mn_take_spinlock(struct splat_mn_client *client)
{
	spin_lock(&client->spin);
	spin_unlock(&client->spin);
	return 0;
}

static int splat_mn_refuse_at_first(struct splat_mn_client *client)
{
	if (atomic_dec_if_positive(&client->refusals) >= 0)
		return -EAGAIN;
	return splat_mn_try_lock(client);
}

static noinline void splat_mn_take_end_lock(struct splat_mn_client *client, bool blockable)
{
	if (blockable)
		mutex_lock(&client->end_lock);
	else if (!mutex_trylock(&client->end_lock))
		return;
	mutex_unlock(&client->end_lock);
}

static void splat_mn_sleep_in_own_section(struct splat_mn_client *client)
{
	non_block_start();
	schedule_timeout_uninterruptible(1); /* BUG */
	non_block_end();
}

static void splat_mn_end_section_twice(struct splat_mn_client *client)
{
	non_block_end(); /* BUG */
	non_block_start(); /* leaves the task usable */
}

static void splat_mn_allocate_under_lock(struct splat_mn_client *client)
{
	mutex_lock(&client->lock);
	splat_mn_allocate(GFP_KERNEL); /* BUG: reclaim calls back into the lock */
	mutex_unlock(&client->lock);
}

static void splat_mn_allocate_under_end_lock(struct splat_mn_client *client)
{
	mutex_lock(&client->end_lock);
	splat_mn_allocate(GFP_KERNEL); /* BUG */
	mutex_unlock(&client->end_lock);
}

/* Whoever holds a reservation allocates: dma_resv_lockdep() has told lockdep at boot. */
noinline int splat_mn_lock_reservation(struct splat_mn_client *client)
{
	dma_resv_lock(&client->reservation, NULL); /* BUG in a callback, and in a signalling section */
	dma_resv_unlock(&client->reservation);
	return 0;
}

/* Nobody holds it; but a callback may run because of anybody's allocation, under any mmap_lock. */
static noinline int splat_mn_lock_other_mm(struct splat_mn_client *client)
{
	if (!client->other_mm)
		return 0;
	mmap_read_lock(client->other_mm); /* BUG */
	mmap_read_unlock(client->other_mm);
	return 0;
}

static void splat_mn_read_under_lock(struct splat_mn_client *client)
{
	struct mmu_interval_notifier *interval = splat_mn_last_interval(client);

	if (!interval)
		return;
	mutex_lock(&client->lock);
	mmu_interval_read_begin(interval); /* BUG: waits for callbacks, which take the lock */
	mutex_unlock(&client->lock);
}

static void splat_mn_take_mmap_lock_under_lock(struct splat_mn_client *client)
{
	mutex_lock(&client->lock);
	mmap_read_lock(current->mm); /* BUG: callbacks run under it */
	mmap_read_unlock(current->mm);
	mutex_unlock(&client->lock);
}

/* What __mmu_notifier_register() once did; all locks are those of rmap, which reclaim takes. */
static noinline void splat_mn_allocate_under_all_locks(struct splat_mn_client *client)
{
	mmap_write_lock(current->mm);
	if (mm_take_all_locks(current->mm) == 0) {
		splat_mn_allocate(GFP_KERNEL); /* BUG */
		mm_drop_all_locks(current->mm);
	}
	mmap_write_unlock(current->mm);
}

const struct splat_mn_bug splat_mn_bugs[SPLAT_MN_MODES] = {
	[SPLAT_MN_WELL_BEHAVED] = {},
	[SPLAT_MN_FAIL_BLOCKABLE] = { .blockable = splat_mn_refuse_again },
	[SPLAT_MN_FAIL_NONBLOCKABLE] = { .nonblockable = splat_mn_refuse_invalid },
	[SPLAT_MN_SLEEP_MUTEX] = { .nonblockable = splat_mn_take_lock },
	[SPLAT_MN_SLEEP_ALLOC] = { .nonblockable = splat_mn_allocate_kernel },
	[SPLAT_MN_SLEEP_WAIT_EVENT] = { .nonblockable = splat_mn_wait_for_event },
	[SPLAT_MN_SLEEP_FENCE_WAIT] = { .nonblockable = splat_mn_wait_for_fence },
	[SPLAT_MN_SLEEP_DEEP] = { .nonblockable = splat_mn_first_call },
	[SPLAT_MN_SCHEDULE] = { .kick = splat_mn_sleep_in_own_section },
	[SPLAT_MN_UNBALANCED] = { .kick = splat_mn_end_section_twice },
	[SPLAT_MN_ALLOC_UNDER_LOCK] = { .kick = splat_mn_allocate_under_lock },
	[SPLAT_MN_ALLOC_UNDER_END_LOCK] = {
		.kick = splat_mn_allocate_under_end_lock,
		.end = splat_mn_take_end_lock,
	},
	[SPLAT_MN_REGISTER_UNDER_LOCK] = { .register_locked = true },
	[SPLAT_MN_FENCE_ALLOC_NOIO] = {
		.blockable = splat_mn_wait_for_fence,
		.kick = splat_mn_allocate_before_signalling,
	},
	[SPLAT_MN_ABBA_MMAP_LOCK] = { .kick = splat_mn_take_mmap_lock_under_lock },
	[SPLAT_MN_SPINLOCK] = { .nonblockable = splat_mn_take_spinlock },
	[SPLAT_MN_REFUSE] = { .nonblockable = splat_mn_refuse_at_first },
	[SPLAT_MN_ALLOC_UNDER_ALL_LOCKS] = { .kick = splat_mn_allocate_under_all_locks },
	[SPLAT_MN_UNREGISTER_UNDER_LOCK] = { .unregister_locked = true },
	[SPLAT_MN_READ_UNDER_LOCK] = { .kick = splat_mn_read_under_lock },
	[SPLAT_MN_RESV_IN_CALLBACK] = { .blockable = splat_mn_lock_reservation },
	[SPLAT_MN_ALLOC_IN_CALLBACK] = { .blockable = splat_mn_allocate_kernel },
	[SPLAT_MN_OTHER_MMAP_LOCK] = {
		.blockable = splat_mn_lock_other_mm,
		.needs_other_mm = true,
	},
	[SPLAT_MN_SLEEP_YOUNG] = { .hlist_ops = &splat_mn_young_ops },
	[SPLAT_MN_SLEEP_TLB] = { .hlist_ops = &splat_mn_tlb_ops },
	[SPLAT_MN_START_AND_TLB] = {
		.hlist_ops = &splat_mn_start_and_tlb_ops,
		.register_is_seed = true,
	},
#ifdef SPLAT_MN_TWO_PASSES
	[SPLAT_MN_START_ONLY] = {
		.interval_ops = &splat_mn_start_only_ops,
		.register_is_seed = true,
	},
	[SPLAT_MN_START_ONLY_LOCKED] = {
		.interval_ops = &splat_mn_start_only_ops,
		.register_is_seed = true,
		.insert_locked = true,
	},
	[SPLAT_MN_SLEEP_FINISH] = { .interval_ops = &splat_mn_two_pass_ops },
#else
	[SPLAT_MN_START_ONLY] = { .absent = true },
	[SPLAT_MN_START_ONLY_LOCKED] = { .absent = true },
	[SPLAT_MN_SLEEP_FINISH] = { .absent = true },
#endif
	[SPLAT_MN_SLEEP_FREE] = { .kick = splat_mn_free_sleeping },
	[SPLAT_MN_PUT_TWICE] = { .kick = splat_mn_put_twice },
	[SPLAT_MN_FENCE_RESV] = { .kick = splat_mn_signal_with_reservation },
	[SPLAT_MN_FENCE_MMAP_LOCK] = { .kick = splat_mn_signal_with_mmap_lock },
	[SPLAT_MN_FENCE_ALLOC] = { .kick = splat_mn_signal_with_memory },
	[SPLAT_MN_FENCE_LOCK] = { .kick = splat_mn_signal_with_lock },
	[SPLAT_MN_FENCE_WAIT] = { .kick = splat_mn_signal_after_wait },
	[SPLAT_MN_UNLOCK_UNLOCKED] = {
		.kick = splat_mn_unlock_unlocked,
		.absent = !IS_ENABLED(CONFIG_DEBUG_VM),
	},
	[SPLAT_MN_FREE_MAPPED] = {
		.kick = splat_mn_free_mapped,
		.absent = !IS_ENABLED(CONFIG_PAGE_TABLE_CHECK_ENFORCED),
	},
	[SPLAT_MN_ASK_PROCESSOR] = {
		.kick = splat_mn_ask_processor,
		.absent = !IS_ENABLED(CONFIG_DEBUG_PREEMPT),
	},
	[SPLAT_MN_UNMAP_OTHER_WAY] = {
		.kick = splat_mn_unmap_other_way,
		.absent = !IS_ENABLED(CONFIG_DMA_API_DEBUG),
	},
	[SPLAT_MN_READ_FREED] = {
		.kick = splat_mn_read_freed,
		.absent = !IS_ENABLED(CONFIG_KASAN),
	},
	[SPLAT_MN_RACE] = {
		.kick = splat_mn_race,
		.absent = !IS_ENABLED(CONFIG_KCSAN),
	},
	[SPLAT_MN_FORGET] = {
		.kick = splat_mn_forget,
		.absent = !IS_ENABLED(CONFIG_DEBUG_KMEMLEAK),
	},
};

int splat_mn_invalidate(struct splat_mn_client *client, bool blockable)
{
	const struct splat_mn_bug *bug = client->bug;
	int (*half)(struct splat_mn_client *) = blockable ? bug->blockable : bug->nonblockable;

	if (!half)
		return blockable ? splat_mn_take_lock(client) : splat_mn_try_lock(client);
	splat_mn_count(SPLAT_MN_SEEDED);
	return half(client);
}
