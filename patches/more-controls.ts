/**
 * The cells of MADV_DONTNEED, and those of rows 22 and later: the lifetime and the operations of notifiers, the locks that
 * callbacks take, and signalling sections.
 */
import {
  always,
  annotated,
  behindSrcu,
  cell,
  deadlock,
  silent,
  since,
  sleeping,
  warning,
} from './expect.ts';
import type { Control } from './seeded-bugs.ts';

/** Interval notifiers with two passes: they exist in 7.2 and 7.3, and not in 6.12. */
const twoPasses = { exists: { from: '7.2' } } as const;
const seeded = { witness: 'seeded' } as const;

const mutexDeadlock = deadlock('splat_mn_take_lock');
const reservation = deadlock('splat_mn_lock_reservation');
const otherMm = deadlock('splat_mn_lock_other_mm');

const lives: readonly Control[] = [
  cell(
    22,
    'unregister-under-lock',
    'interval munmap',
    annotated(
      'removal waits for callbacks, and says so by the notifier map',
      deadlock('mmu_interval_notifier_remove'),
    ),
  ),
  cell(
    23,
    'read-under-lock',
    'interval munmap',
    annotated('it waits for callbacks, and says so by the notifier map', mutexDeadlock),
  ),
  cell(24, 'unregister-under-lock', 'hlist munmap', [
    {
      from: '6.4',
      splats: [deadlock('synchronize_rcu')],
      because: 'it waits for SRCU, whose wait has been a lock of lockdep’s since 6.4',
    },
    ...silent('missed: synchronize_srcu() tells lockdep nothing before 6.4'),
  ]),
  cell(
    33,
    'sleep-free',
    'hlist register',
    always(
      'SRCU calls it with softirqs off',
      sleeping('splat_mn_free_notifier_sleeping', 'drivers/misc/splat/lifetimes.c'),
    ),
  ),
  cell(
    34,
    'put-twice',
    'hlist register',
    always('the count of users is looked at', warning('mmu_notifier_put', 'mm/mmu_notifier.c')),
  ),
];

const callbacks: readonly Control[] = [
  cell(
    25,
    'resv-in-callback',
    'interval munmap',
    annotated('dma_resv_lockdep() at boot: reservation -> reclaim -> notifier map', reservation),
  ),
  cell(
    25,
    'resv-in-callback',
    'hlist munmap',
    behindSrcu(
      annotated('dma_resv_lockdep() at boot: reservation -> reclaim -> notifier map', reservation),
    ),
  ),
  cell(
    26,
    'alloc-in-callback',
    'interval munmap',
    annotated('reclaim enters the notifier map that is held', deadlock('unmap_vmas')),
  ),
  cell(
    26,
    'alloc-in-callback',
    'hlist munmap',
    annotated('reclaim enters the notifier map that is held', deadlock('unmap_vmas')),
  ),
  cell(
    27,
    'other-mmap-lock',
    'interval munmap',
    always('two locks of one class: munmap() holds its own', otherMm),
  ),
  cell(
    27,
    'other-mmap-lock',
    'hlist munmap',
    always('two locks of one class: munmap() holds its own', otherMm),
  ),
  cell(
    27,
    'other-mmap-lock',
    'interval dontneed',
    always('two locks of one class, until 7.2; then through the map and reclaim', otherMm),
  ),
  cell(27, 'other-mmap-lock', 'hlist dontneed', [
    {
      from: '7.2',
      states: ['in', 'removed', 'readded'],
      splats: [],
      because: 'no mmap_lock is held any more, and the SRCU read lock hides what is held',
    },
    ...always('two locks of one class, until 7.2', otherMm),
  ]),
  cell(
    27,
    'other-mmap-lock',
    'interval reclaim',
    always('mmap_lock -> fs_reclaim, and here the other way', otherMm),
  ),
  cell(
    27,
    'other-mmap-lock',
    'hlist reclaim',
    behindSrcu(always('mmap_lock -> fs_reclaim, and here the other way', otherMm)),
  ),
];

/** Rows 9, 11 and 15 from another caller, MADV_DONTNEED, which newer kernels run under no more than a VMA lock. */
const unlocked: readonly Control[] = [
  cell(
    9,
    'alloc-under-lock',
    'interval dontneed',
    annotated('the same where the caller holds the lock of a VMA at most', mutexDeadlock),
  ),
  cell(11, 'register-under-lock', 'interval dontneed', [
    ...always(
      'lock -> mmap_lock at registration; the callback runs under mmap_lock, or a VMA lock',
      mutexDeadlock,
    ),
  ]),
  cell(
    15,
    'abba-mmap-lock',
    'interval dontneed',
    always('the same; under a VMA lock from 7.2 on, which is taken under mmap_lock', mutexDeadlock),
  ),
];

const age = sleeping('splat_mn_age', 'drivers/misc/splat/ops.c');
const flush = sleeping('splat_mn_flush', 'drivers/misc/splat/ops.c');

const ops: readonly Control[] = [
  cell(
    28,
    'sleep-young',
    'hlist reclaim',
    always('clear_flush_young() is called under the lock of a page table', age),
    seeded,
  ),
  cell(28, 'sleep-young', 'hlist idle', always('and so is clear_young()', age)),
  cell(
    29,
    'sleep-tlb',
    'hlist reclaim',
    always('the flush is under the lock of a page table', flush),
    seeded,
  ),
  cell(
    29,
    'sleep-tlb',
    'hlist munmap',
    silent('missed: the flush at the end of munmap() holds no spinlock, and no section is opened'),
    seeded,
  ),
  cell(
    30,
    'start-and-tlb',
    'hlist register',
    always(
      'registration looks at the ops',
      warning('__mmu_notifier_register', 'mm/mmu_notifier.c'),
    ),
    { exists: { from: '6.6' } },
  ),
  cell(
    31,
    'start-only',
    'interval register',
    always(
      'mmu_interval_notifier_insert() looks at the ops',
      warning('mmu_interval_notifier_insert', 'mm/mmu_notifier.c'),
    ),
    twoPasses,
  ),
  cell(
    31,
    'start-only-locked',
    'interval register',
    [
      {
        from: since,
        states: ['extended'],
        splats: [warning('mmu_interval_notifier_insert_locked', 'mm/mmu_notifier.c')],
        because: 'our series looks at them there, too',
      },
      ...silent('missed: mmu_interval_notifier_insert_locked() does not look at them'),
    ],
    twoPasses,
  ),
  cell(
    32,
    'sleep-finish',
    'interval mrelease',
    [
      {
        from: since,
        states: ['extended'],
        splats: [sleeping('splat_mn_take_lock', 'kernel/locking/mutex.c')],
        because: 'our series opens a section around the second pass',
      },
      ...silent('missed: the second pass gets no range, and runs in no section'),
    ],
    { ...twoPasses, ...seeded },
  ),
];

const sections: readonly Control[] = [
  cell(
    35,
    'fence-resv',
    'hlist register',
    annotated(
      'a fence is waited for under a reservation: dma_resv_lockdep() at boot, which is an annotation',
      reservation,
    ),
  ),
  cell(
    36,
    'fence-mmap-lock',
    'hlist register',
    annotated(
      'mmap_lock -> reservation -> fence, by dma_resv_lockdep()',
      deadlock('splat_mn_signal_with_mmap_lock'),
    ),
  ),
  cell(
    37,
    'fence-alloc',
    'hlist register',
    annotated(
      'reclaim waits for notifiers, and they for fences, by dma_resv_lockdep()',
      deadlock('splat_mn_signal_with_memory'),
    ),
  ),
  cell(
    38,
    'fence-lock',
    'hlist register',
    always('lock -> fence, and here fence -> lock', mutexDeadlock),
  ),
  cell(
    39,
    'fence-wait',
    'hlist register',
    silent('missed: dma_fence_wait() lets go of the section around it while it tells lockdep'),
  ),
];

export const moreControls: readonly Control[] = [
  ...unlocked,
  ...lives,
  ...callbacks,
  ...ops,
  ...sections,
];
