/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ABI of /dev/splat_mn, the seeded-bug driver: an mmu notifier user that is well-behaved until a mode is armed.
 *
 * A mode belongs to the open file and holds for all its registrations. Order of use: open, ARM (optional), REGISTER, then
 * whatever invalidates the range; KICK runs the half of a mode that is in process context (a lock taken in the other order).
 * Closing the last descriptor unregisters everything. One decimal counter a file in SPLAT_MN_DEBUGFS.
 */
#ifndef SPLAT_MN_H
#define SPLAT_MN_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SPLAT_MN_DEVICE "/dev/splat_mn"
/*
 * Counters of callbacks since boot or the last write to `reset`:
 * hlist_start_blockable, hlist_start_nonblockable, hlist_start_oom_reaper (those whose task is the oom_reaper kthread, a
 * subset of nonblockable), hlist_end, interval_blockable, interval_nonblockable, interval_oom_reaper;
 * seeded: how often the broken statement of an armed mode was reached;
 * event_unmap, event_clear, event_protection_vma, event_protection_page, event_soft_dirty, event_release, event_migrate,
 * event_exclusive: callbacks by the reason of the invalidation (enum mmu_notifier_event).
 *
 * Whatever the mode, it warns of what the core may not do: a callback after its notifier was unregistered, an end without
 * its start, and, when an hlist notifier with an end op is unregistered while its address space lives, a start without its end.
 */
#define SPLAT_MN_DEBUGFS "/sys/kernel/debug/splat_mn"

enum splat_mn_kind {
	SPLAT_MN_HLIST,		/* struct mmu_notifier: the whole address space; start and length are ignored */
	SPLAT_MN_INTERVAL,	/* struct mmu_interval_notifier on [start, start + length) */
};

/* Register with an invalidate_range_end op (hlist only). The core warns when such a notifier's start fails. */
#define SPLAT_MN_WITH_END 1

struct splat_mn_register {
	__u64 start;	/* bytes, page aligned */
	__u64 length;	/* bytes, page aligned, not 0 */
	__u32 kind;	/* enum splat_mn_kind */
	__u32 flags;	/* SPLAT_MN_WITH_END or 0 */
	__u32 id;	/* out: for UNREGISTER */
	__u32 reserved;	/* 0 */
};

/* "Refuses": returns an error from invalidate_range_start, or false from invalidate. */
enum splat_mn_mode {
	SPLAT_MN_WELL_BEHAVED,		/* lock when blockable; trylock, else -EAGAIN, when not */
	SPLAT_MN_FAIL_BLOCKABLE,	/* refuses when blockable (hlist: -EAGAIN) */
	SPLAT_MN_FAIL_NONBLOCKABLE,	/* hlist: -EINVAL when non-blockable */
	SPLAT_MN_SLEEP_MUTEX,		/* mutex_lock() when non-blockable */
	SPLAT_MN_SLEEP_ALLOC,		/* GFP_KERNEL when non-blockable */
	SPLAT_MN_SLEEP_WAIT_EVENT,	/* wait_event() when non-blockable */
	SPLAT_MN_SLEEP_FENCE_WAIT,	/* dma_fence_wait() when non-blockable */
	SPLAT_MN_SLEEP_DEEP,		/* might_sleep() three calls down when non-blockable */
	SPLAT_MN_SCHEDULE,		/* KICK sleeps inside a non_block section of its own */
	SPLAT_MN_UNBALANCED,		/* KICK ends a non_block section nobody began */
	SPLAT_MN_ALLOC_UNDER_LOCK,	/* KICK: GFP_KERNEL under the lock the start callback takes */
	SPLAT_MN_ALLOC_UNDER_END_LOCK,	/* the same with the end callback's lock (needs SPLAT_MN_WITH_END) */
	SPLAT_MN_REGISTER_UNDER_LOCK,	/* REGISTER under the lock the callback takes */
	SPLAT_MN_FENCE_ALLOC_NOIO,	/* KICK: GFP_NOIO in a fence signalling section; the callback waits for a fence */
	SPLAT_MN_ABBA_MMAP_LOCK,	/* KICK: mmap_lock under the lock the callback takes */
	SPLAT_MN_SPINLOCK,		/* spin_lock() when non-blockable; legal unless PREEMPT_RT */
	SPLAT_MN_REFUSE,		/* -EAGAIN to the first `refusals` non-blockable calls; legal without an end op */
	SPLAT_MN_ALLOC_UNDER_ALL_LOCKS,	/* KICK: GFP_KERNEL under mm_take_all_locks() */
	SPLAT_MN_UNREGISTER_UNDER_LOCK,	/* UNREGISTER, or the last close, under the lock the callback takes */
	SPLAT_MN_READ_UNDER_LOCK,	/* KICK: mmu_interval_read_begin() under it */
	SPLAT_MN_RESV_IN_CALLBACK,	/* dma_resv_lock() when blockable */
	SPLAT_MN_ALLOC_IN_CALLBACK,	/* GFP_KERNEL when blockable */
	SPLAT_MN_OTHER_MMAP_LOCK,	/* the mmap_lock of the parent's mm when blockable */
	SPLAT_MN_SLEEP_YOUNG,		/* might_sleep() in clear_flush_young and clear_young (hlist) */
	SPLAT_MN_SLEEP_TLB,		/* the same in arch_invalidate_secondary_tlbs, before 6.6 invalidate_range; no other op (hlist) */
	SPLAT_MN_START_AND_TLB,		/* REGISTER with that op and invalidate_range_start (hlist); EINVAL of it from 6.6 on */
	SPLAT_MN_START_ONLY,		/* REGISTER with invalidate_start and no invalidate_finish (interval) */
	SPLAT_MN_START_ONLY_LOCKED,	/* the same by mmu_interval_notifier_insert_locked() */
	SPLAT_MN_SLEEP_FINISH,		/* mutex_lock() in invalidate_finish when non-blockable (interval) */
	SPLAT_MN_SLEEP_FREE,		/* KICK: might_sleep() in free_notifier */
	SPLAT_MN_PUT_TWICE,		/* KICK: one mmu_notifier_put() too many */
	SPLAT_MN_FENCE_RESV,		/* KICK: dma_resv_lock() in a fence signalling section */
	SPLAT_MN_FENCE_MMAP_LOCK,	/* KICK: mmap_lock in one */
	SPLAT_MN_FENCE_ALLOC,		/* KICK: GFP_KERNEL in one */
	SPLAT_MN_FENCE_LOCK,		/* KICK: in one, a mutex under which a fence was waited for */
	SPLAT_MN_FENCE_WAIT,		/* KICK: dma_fence_wait() in one */
	/* Of these each is there when the kernel has the detector that sees it. */
	SPLAT_MN_UNLOCK_UNLOCKED,	/* KICK: unlock_page() of an unlocked page (DEBUG_VM); the guest ends */
	SPLAT_MN_FREE_MAPPED,		/* KICK: frees a page that a page table maps (PAGE_TABLE_CHECK); the guest ends */
	SPLAT_MN_ASK_PROCESSOR,		/* KICK: smp_processor_id() while preemptible (DEBUG_PREEMPT) */
	SPLAT_MN_UNMAP_OTHER_WAY,	/* KICK: a DMA mapping is undone with another direction (DMA_API_DEBUG) */
	SPLAT_MN_READ_FREED,		/* KICK: reads freed memory (KASAN) */
	SPLAT_MN_RACE,			/* KICK: for a second, plain reads beside plain writes (KCSAN) */
	SPLAT_MN_FORGET,		/* KICK: objects that nothing points to (DEBUG_KMEMLEAK) */
	SPLAT_MN_MODES
};

struct splat_mn_arm {
	__u32 mode;	/* enum splat_mn_mode */
	__u32 refusals;	/* SPLAT_MN_REFUSE only: calls; 0xffffffff: all */
};

/* For current->mm. EINVAL: bad kind, flags or range; EINTR: killed; ENOMEM. */
#define SPLAT_MN_IOC_REGISTER	_IOWR('S', 0x40, struct splat_mn_register)
/* The argument is the id itself. ENOENT: not registered through this file. */
#define SPLAT_MN_IOC_UNREGISTER	_IO('S', 0x41)
/* EBUSY: something is registered; EINVAL: no such mode; EOPNOTSUPP: this kernel has nothing that it could break. */
#define SPLAT_MN_IOC_ARM	_IOW('S', 0x42, struct splat_mn_arm)
/* EINVAL: the armed mode has nothing to do in process context. */
#define SPLAT_MN_IOC_KICK	_IO('S', 0x43)
/* Holds the lock that a well-behaved start callback takes until a signal comes, the argument's milliseconds at most (60000). */
#define SPLAT_MN_IOC_HOLD	_IO('S', 0x44)

#endif
