/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SPLAT_DRIVER_H
#define SPLAT_DRIVER_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "splat_mn.h"

struct splat_mn_bug;

/* An open file. */
struct splat_mn_client {
	/* Taken by callbacks: lock and spin at the start, end_lock at the end. */
	struct mutex lock;
	struct mutex end_lock;
	spinlock_t spin;
	atomic_t refusals;

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
	/* Register while holding lock. */
	bool register_locked;
};

extern const struct splat_mn_bug splat_mn_bugs[SPLAT_MN_MODES];

/* What a start callback returns: 0 or -errno. */
int splat_mn_invalidate(struct splat_mn_client *client, bool blockable);

/* All three with setup held, or by the last owner of the client. */
int splat_mn_register(struct splat_mn_client *client, struct splat_mn_register *args);
int splat_mn_unregister(struct splat_mn_client *client, unsigned long id);
void splat_mn_unregister_all(struct splat_mn_client *client);

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
