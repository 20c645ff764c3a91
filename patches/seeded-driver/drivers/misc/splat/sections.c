// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signalling sections: between dma_fence_begin_signalling() and its end nothing may be waited for that waits for a
 * fence. Statements marked BUG are the seeds.
 */
#include <linux/dma-fence.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>

#include "driver.h"

/* GFP_NOIO still enters reclaim, hence notifiers: a fence must not depend on it. */
void splat_mn_allocate_before_signalling(struct splat_mn_client *client)
{
	bool cookie = dma_fence_begin_signalling();

	splat_mn_allocate(GFP_NOIO); /* BUG */
	dma_fence_end_signalling(cookie);
}

void splat_mn_signal_with_reservation(struct splat_mn_client *client)
{
	bool cookie = dma_fence_begin_signalling();

	splat_mn_lock_reservation(client); /* BUG: fences are waited for under it */
	dma_fence_end_signalling(cookie);
}

void splat_mn_signal_with_mmap_lock(struct splat_mn_client *client)
{
	bool cookie = dma_fence_begin_signalling();

	mmap_read_lock(current->mm); /* BUG: reservations are locked under it */
	mmap_read_unlock(current->mm);
	dma_fence_end_signalling(cookie);
}

void splat_mn_signal_with_memory(struct splat_mn_client *client)
{
	bool cookie = dma_fence_begin_signalling();

	splat_mn_allocate(GFP_KERNEL); /* BUG: reclaim waits for notifiers, and they for fences */
	dma_fence_end_signalling(cookie);
}

void splat_mn_signal_with_lock(struct splat_mn_client *client)
{
	bool cookie;

	mutex_lock(&client->lock);
	splat_mn_wait_for_fence(client);
	mutex_unlock(&client->lock);

	cookie = dma_fence_begin_signalling();
	splat_mn_take_lock(client); /* BUG: a fence is waited for under it */
	dma_fence_end_signalling(cookie);
}

void splat_mn_signal_after_wait(struct splat_mn_client *client)
{
	bool cookie = dma_fence_begin_signalling();

	splat_mn_wait_for_fence(client); /* BUG */
	dma_fence_end_signalling(cookie);
}
