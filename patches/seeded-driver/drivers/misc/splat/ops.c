// SPDX-License-Identifier: GPL-2.0-only
/* Ops that few notifiers have: aging, secondary TLBs, and the two passes of interval notifiers. */
#include <linux/kernel.h>
#include <linux/slab.h>

#include "driver.h"

/* int, and bool in newer kernels. */
typedef typeof(((struct mmu_notifier_ops *)NULL)->clear_young(NULL, NULL, 0, 0)) young_t;

static noinline young_t splat_mn_age(void)
{
	splat_mn_count(SPLAT_MN_SEEDED);
	might_sleep(); /* BUG: under the lock of a page table */
	return 0;
}

static young_t splat_mn_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				    unsigned long start, unsigned long end)
{
	return splat_mn_age();
}

const struct mmu_notifier_ops splat_mn_young_ops = {
	.invalidate_range_start = splat_mn_hlist_start,
	.clear_flush_young = splat_mn_clear_young,
	.clear_young = splat_mn_clear_young,
};

static noinline void splat_mn_flush(struct mmu_notifier *notifier, struct mm_struct *mm,
				    unsigned long start, unsigned long end)
{
	splat_mn_count(SPLAT_MN_SEEDED);
	might_sleep(); /* BUG */
}

static void splat_mn_flush_well(struct mmu_notifier *notifier, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
}

/* The op was renamed, and no longer goes with the others, in 6.6. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define tlb_op arch_invalidate_secondary_tlbs
#else
#define tlb_op invalidate_range
#endif

const struct mmu_notifier_ops splat_mn_tlb_ops = {
	.tlb_op = splat_mn_flush,
};

const struct mmu_notifier_ops splat_mn_start_and_tlb_ops = {
	.invalidate_range_start = splat_mn_hlist_start, /* BUG beside the other */
	.tlb_op = splat_mn_flush_well,
};

#ifdef SPLAT_MN_TWO_PASSES

struct pass {
	struct mmu_interval_notifier_finish finish;
	bool blockable;
};

/* No second pass is asked for, and the first does it all. */
static bool splat_mn_first_pass(struct mmu_interval_notifier *notifier,
				const struct mmu_notifier_range *range, unsigned long sequence,
				struct mmu_interval_notifier_finish **finish)
{
	bool blockable = mmu_notifier_range_blockable(range);

	splat_mn_count_start(SPLAT_MN_INTERVAL, blockable);
	splat_mn_count_event(range->event);
	mmu_interval_set_seq(notifier, sequence);
	return splat_mn_invalidate(splat_mn_client_of_interval(notifier), blockable) == 0;
}

static bool splat_mn_first_of_two(struct mmu_interval_notifier *notifier,
				  const struct mmu_notifier_range *range, unsigned long sequence,
				  struct mmu_interval_notifier_finish **finish)
{
	struct pass *pass;

	if (!splat_mn_first_pass(notifier, range, sequence, finish))
		return false;
	pass = kmalloc(sizeof(*pass), GFP_NOWAIT);
	if (pass) {
		pass->blockable = mmu_notifier_range_blockable(range);
		*finish = &pass->finish;
	}
	return true;
}

static void splat_mn_second_pass(struct mmu_interval_notifier_finish *finish)
{
	struct pass *pass = container_of(finish, struct pass, finish);

	if (!pass->blockable) {
		splat_mn_count(SPLAT_MN_SEEDED);
		splat_mn_take_lock(splat_mn_client_of_interval(finish->notifier)); /* BUG */
	}
	kfree(pass);
}

const struct mmu_interval_notifier_ops splat_mn_start_only_ops = {
	.invalidate_start = splat_mn_first_pass, /* BUG without the other */
};

const struct mmu_interval_notifier_ops splat_mn_two_pass_ops = {
	.invalidate_start = splat_mn_first_of_two,
	.invalidate_finish = splat_mn_second_pass,
};

#endif
