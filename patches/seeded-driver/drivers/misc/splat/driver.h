/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SPLAT_DRIVER_H
#define SPLAT_DRIVER_H

#include <linux/atomic.h>
#include <linux/dma-resv.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/version.h>

#include "splat_mn.h"

/* invalidate_start and invalidate_finish of interval notifiers: in 7.2, not in 6.12. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define SPLAT_MN_TWO_PASSES
#endif

struct splat_mn_bug;

/* An open file. */
struct splat_mn_client {
	/* Taken by callbacks: lock and spin at the start, end_lock at the end. */
	struct mutex lock;
	struct mutex end_lock;
	spinlock_t spin;
	atomic_t refusals;
	/* Of nobody else, and signalled: no fence is ever in it. */
	struct dma_resv reservation;
	/* The parent's at the time of ARM, with a reference; NULL unless the mode locks it. */
	struct mm_struct *other_mm;

	/* Serialises ioctls, never taken by callbacks; protects the rest. */
	struct mutex setup;
	struct list_head subscriptions;
	u32 last_id;
	/* Constant while anything is registered: callbacks read it without setup. */
	const struct splat_mn_bug *bug;
};

/* What a mode does. A missing callback half is well-behaved. */
struct splat_mn_bug {
	/* The halves of invalidate_range_start and invalidate: 0 or -errno. */
	int (*blockable)(struct splat_mn_client *client);
	int (*nonblockable)(struct splat_mn_client *client);
	/* invalidate_range_end. */
	void (*end)(struct splat_mn_client *client, bool blockable);
	/* Process context, with no lock but setup. */
	void (*kick)(struct splat_mn_client *client);
	/* Instead of start and end ops that are well-behaved. */
	const struct mmu_notifier_ops *hlist_ops;
	const struct mmu_interval_notifier_ops *interval_ops;
	/* Register, or unregister, while holding lock. */
	bool register_locked;
	bool unregister_locked;
	/* Insert an interval notifier by the function for callers that hold mmap_lock. */
	bool insert_locked;
	/* Registering is what is wrong. */
	bool register_is_seed;
	bool needs_other_mm;
	/* This kernel does not have what the mode breaks, or has nothing but this mode's harm of it. */
	bool absent;
};

extern const struct splat_mn_bug splat_mn_bugs[SPLAT_MN_MODES];

/* What a start callback returns: 0 or -errno. */
int splat_mn_invalidate(struct splat_mn_client *client, bool blockable);

/* All three with setup held, or by the last owner of the client. */
int splat_mn_register(struct splat_mn_client *client, struct splat_mn_register *args);
int splat_mn_unregister(struct splat_mn_client *client, unsigned long id);
void splat_mn_unregister_all(struct splat_mn_client *client);
/* The one registered last, if it is an interval notifier. */
struct mmu_interval_notifier *splat_mn_last_interval(struct splat_mn_client *client);

/* The client of a registration, for ops of other files. */
struct splat_mn_client *splat_mn_client_of_interval(struct mmu_interval_notifier *notifier);

/* ops.c: ops that are rarely implemented, each with its bug. */
extern const struct mmu_notifier_ops splat_mn_young_ops;
extern const struct mmu_notifier_ops splat_mn_tlb_ops;
extern const struct mmu_notifier_ops splat_mn_start_and_tlb_ops;
#ifdef SPLAT_MN_TWO_PASSES
extern const struct mmu_interval_notifier_ops splat_mn_start_only_ops;
extern const struct mmu_interval_notifier_ops splat_mn_two_pass_ops;
#endif
int splat_mn_hlist_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range);

/* What several bugs are made of; each says so to lockdep and to might_sleep(). */
int splat_mn_take_lock(struct splat_mn_client *client);
void splat_mn_allocate(gfp_t gfp);
int splat_mn_wait_for_fence(struct splat_mn_client *client);
int splat_mn_lock_reservation(struct splat_mn_client *client);

/* sections.c: what is done inside of a fence's signalling section. */
void splat_mn_allocate_before_signalling(struct splat_mn_client *client);
void splat_mn_signal_with_reservation(struct splat_mn_client *client);
void splat_mn_signal_with_mmap_lock(struct splat_mn_client *client);
void splat_mn_signal_with_memory(struct splat_mn_client *client);
void splat_mn_signal_with_lock(struct splat_mn_client *client);
void splat_mn_signal_after_wait(struct splat_mn_client *client);

/* detectors.c: bugs of which each is seen by one optional detector. */
void splat_mn_unlock_unlocked(struct splat_mn_client *client);
void splat_mn_free_mapped(struct splat_mn_client *client);
void splat_mn_ask_processor(struct splat_mn_client *client);
void splat_mn_unmap_other_way(struct splat_mn_client *client);
void splat_mn_read_freed(struct splat_mn_client *client);
void splat_mn_race(struct splat_mn_client *client);
void splat_mn_forget(struct splat_mn_client *client);

/* lifetimes.c: mmu_notifier_get() and _put(). */
void splat_mn_free_sleeping(struct splat_mn_client *client);
void splat_mn_put_twice(struct splat_mn_client *client);

enum splat_mn_counter {
	SPLAT_MN_HLIST_START_BLOCKABLE,
	SPLAT_MN_HLIST_START_NONBLOCKABLE,
	SPLAT_MN_HLIST_START_OOM_REAPER,
	SPLAT_MN_HLIST_END,
	SPLAT_MN_INTERVAL_BLOCKABLE,
	SPLAT_MN_INTERVAL_NONBLOCKABLE,
	SPLAT_MN_INTERVAL_OOM_REAPER,
	SPLAT_MN_SEEDED,
	SPLAT_MN_EVENT_UNMAP, /* the first of the reasons of an invalidation, in the order of enum mmu_notifier_event */
	SPLAT_MN_EVENT_CLEAR,
	SPLAT_MN_EVENT_PROTECTION_VMA,
	SPLAT_MN_EVENT_PROTECTION_PAGE,
	SPLAT_MN_EVENT_SOFT_DIRTY,
	SPLAT_MN_EVENT_RELEASE,
	SPLAT_MN_EVENT_MIGRATE,
	SPLAT_MN_EVENT_EXCLUSIVE,
	SPLAT_MN_COUNTERS
};

void splat_mn_count(enum splat_mn_counter counter);
void splat_mn_count_start(enum splat_mn_kind kind, bool blockable);
/* Takes an enum mmu_notifier_event; one that is not known here is not counted. */
void splat_mn_count_event(unsigned int event);
void splat_mn_counters_create(void);

#endif
