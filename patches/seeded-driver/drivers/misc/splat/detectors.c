// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only an optional detector of the kernel sees: one bug for each. Statements marked BUG are the seeds. A mode is
 * absent in a kernel without its detector, where nothing but harm would come of it.
 */
#include <linux/compiler.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/platform_device.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "driver.h"

#define LEAKED_OBJECTS 8
#define RACE_MS 1000

/* DEBUG_VM; the guest ends. */
void splat_mn_unlock_unlocked(struct splat_mn_client *client)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return;
	unlock_page(page); /* BUG: nobody locked it */
	__free_page(page);
}

/* PAGE_TABLE_CHECK; the guest ends. The page table is no part of a real one, but counted like one. */
void splat_mn_free_mapped(struct splat_mn_client *client)
{
	struct page *page = alloc_page(GFP_KERNEL);
	pte_t table = __pte(0);

	if (!page)
		return;
	set_pte_at(current->mm, 0, &table, mk_pte(page, PAGE_SHARED));
	__free_page(page); /* BUG: it is mapped */
}

/* DEBUG_PREEMPT */
noinline void splat_mn_ask_processor(struct splat_mn_client *client)
{
	(void)smp_processor_id(); /* BUG: it may be another one by now */
}

/* DMA_API_DEBUG */
noinline void splat_mn_unmap_other_way(struct splat_mn_client *client)
{
	struct platform_device *device = platform_device_register_simple("splat_mn", PLATFORM_DEVID_NONE, NULL, 0);
	size_t size = 64;
	void *buffer = kzalloc(size, GFP_KERNEL);
	dma_addr_t address;

	if (!IS_ERR(device) && buffer) {
		address = dma_map_single(&device->dev, buffer, size, DMA_TO_DEVICE);
		if (!dma_mapping_error(&device->dev, address))
			dma_unmap_single(&device->dev, address, size, DMA_FROM_DEVICE); /* BUG */
	}
	kfree(buffer);
	if (!IS_ERR(device))
		platform_device_unregister(device);
}

/* KASAN */
noinline void splat_mn_read_freed(struct splat_mn_client *client)
{
	u64 *memory = kzalloc(sizeof(*memory) * 8, GFP_KERNEL);
	u64 *stale = memory;

	if (!memory)
		return;
	OPTIMIZER_HIDE_VAR(stale);
	kfree(memory);
	(void)READ_ONCE(*stale); /* BUG */
}

static unsigned long racing;

/* KCSAN looks at some accesses only: both sides go on for a while. */
static noinline int splat_mn_write_racing(void *unused)
{
	while (!kthread_should_stop()) {
		racing++; /* BUG: somebody reads it */
		barrier();
		cond_resched();
	}
	return 0;
}

static noinline void splat_mn_read_racing(unsigned long end)
{
	unsigned long sum = 0;

	while (time_before(jiffies, end)) {
		sum += racing; /* BUG: somebody writes it */
		barrier();
		cond_resched();
	}
	OPTIMIZER_HIDE_VAR(sum);
}

/* KCSAN */
void splat_mn_race(struct splat_mn_client *client)
{
	struct task_struct *writer = kthread_run(splat_mn_write_racing, NULL, "splat_mn_race");

	if (IS_ERR(writer))
		return;
	splat_mn_read_racing(jiffies + msecs_to_jiffies(RACE_MS));
	kthread_stop(writer);
}

/* kmemleak; several objects, since a stale pointer to one of them may be left somewhere. */
noinline void splat_mn_forget(struct splat_mn_client *client)
{
	void *object;
	int i;

	for (i = 0; i < LEAKED_OBJECTS; i++) {
		object = kzalloc(96, GFP_KERNEL); /* BUG: nobody frees it */
		OPTIMIZER_HIDE_VAR(object);
	}
}
