// SPDX-License-Identifier: GPL-2.0-only
/* Notifiers whose memory belongs to the core: mmu_notifier_get(), mmu_notifier_put(), free_notifier(). */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "driver.h"

struct lifetime {
	struct mmu_notifier notifier;
	struct completion freed;
};

static struct mmu_notifier *splat_mn_alloc_notifier(struct mm_struct *mm)
{
	struct lifetime *lifetime = kzalloc(sizeof(*lifetime), GFP_KERNEL);

	if (!lifetime)
		return ERR_PTR(-ENOMEM);
	init_completion(&lifetime->freed);
	return &lifetime->notifier;
}

/* The memory stays until the one who waits has seen it. */
static void splat_mn_free_notifier(struct mmu_notifier *notifier)
{
	complete(&container_of(notifier, struct lifetime, notifier)->freed);
}

static void splat_mn_free_notifier_sleeping(struct mmu_notifier *notifier)
{
	might_sleep(); /* BUG: it is called by SRCU */
	splat_mn_free_notifier(notifier);
}

static const struct mmu_notifier_ops ops = {
	.alloc_notifier = splat_mn_alloc_notifier,
	.free_notifier = splat_mn_free_notifier,
};

static const struct mmu_notifier_ops sleeping_ops = {
	.alloc_notifier = splat_mn_alloc_notifier,
	.free_notifier = splat_mn_free_notifier_sleeping,
};

static void get_and_put(const struct mmu_notifier_ops *chosen, int puts)
{
	struct mmu_notifier *notifier = mmu_notifier_get(chosen, current->mm);
	struct lifetime *lifetime;

	if (IS_ERR(notifier))
		return;
	lifetime = container_of(notifier, struct lifetime, notifier);
	while (puts-- > 0)
		mmu_notifier_put(notifier);
	wait_for_completion(&lifetime->freed);
	kfree(lifetime);
}

void splat_mn_free_sleeping(struct splat_mn_client *client)
{
	get_and_put(&sleeping_ops, 1);
}

void splat_mn_put_twice(struct splat_mn_client *client)
{
	get_and_put(&ops, 2); /* BUG: one reference */
}
