/** The cells of the detection matrix, in the order of its rows. */
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
import { moreControls } from './more-controls.ts';
import type { Control } from './seeded-bugs.ts';

const timed = { timed: true } as const;
/** The cell belongs to row 20 from 6.4 on: there SRCU hides it from lockdep. */
const hidden = { rowSince: { from: '6.4', row: 20 } } as const;

const mutexSleeps = sleeping('splat_mn_take_lock', 'kernel/locking/mutex.c');
const mutexDeadlock = deadlock('splat_mn_take_lock');
const startRefused = warning('__mmu_notifier_invalidate_range_start', 'mm/mmu_notifier.c');

const failures: readonly Control[] = [
  cell(
    1,
    'fail-blockable',
    'hlist munmap',
    annotated('a failing start must not happen when blockable, -EAGAIN included', startRefused),
  ),
  cell(
    2,
    'fail-nonblockable',
    'hlist mrelease',
    annotated(
      '-EAGAIN is the only error allowed when non-blockable; one report a mapping',
      startRefused,
    ),
  ),
  cell(
    2,
    'fail-nonblockable',
    'hlist oom-memcg',
    annotated('the same in the oom_reaper, at each of its 10 attempts', startRefused),
  ),
];

const sleeps: readonly Control[] = [
  cell(
    3,
    'sleep-mutex',
    'hlist mrelease',
    annotated('mutex_lock() may sleep, the section around the callback may not', mutexSleeps),
    timed,
  ),
  cell(3, 'sleep-mutex', 'hlist oom-memcg', annotated('the same in the oom_reaper', mutexSleeps)),
  cell(4, 'sleep-alloc', 'hlist mrelease', [
    // The reaper walks the areas in a function of mm/memory.c in 7.2 and 7.3; between 6.12 and 7.2 this is not known.
    ...annotated(
      'reclaim may sleep, and enters the notifier map that the caller holds already',
      deadlock('zap_vma_for_reaping'),
      sleeping('splat_mn_allocate', 'include/linux/sched/mm.h'),
    ).map((one) => ({ ...one, from: '7.2' })),
    ...annotated(
      'reclaim may sleep, and enters the notifier map that the caller holds already',
      deadlock('__oom_reap_task_mm'),
      sleeping('splat_mn_allocate', 'include/linux/sched/mm.h'),
    ),
  ]),
  cell(
    5,
    'sleep-wait-event',
    'hlist mrelease',
    annotated(
      'wait_event() says that it may sleep before it looks at its condition',
      sleeping('splat_mn_wait_for_event', 'drivers/misc/splat/bugs.c'),
    ),
  ),
  cell(
    5,
    'sleep-fence-wait',
    'hlist mrelease',
    annotated(
      'so does dma_fence_wait(), though the fence is signalled',
      sleeping('dma_fence_wait_timeout', 'drivers/dma-buf/dma-fence.c'),
    ),
  ),
  cell(
    6,
    'sleep-deep',
    'hlist mrelease',
    annotated(
      'the section belongs to the task: depth does not matter',
      sleeping('splat_mn_third_call', 'drivers/misc/splat/bugs.c'),
    ),
  ),
  cell(
    7,
    'schedule',
    'hlist register',
    annotated('a voluntary switch inside a section, which no might_sleep() announced', {
      title: 'BUG: scheduling in a non-blocking section in splat_mn_sleep_in_own_section',
    }),
  ),
  cell(
    8,
    'unbalanced',
    'hlist register',
    annotated(
      'the count of sections must not fall below 0',
      warning('splat_mn_end_section_twice', 'drivers/misc/splat/bugs.c'),
    ),
  ),
];

const lockOrders: readonly Control[] = [
  cell(
    9,
    'alloc-under-lock',
    'hlist munmap',
    behindSrcu(
      annotated('lock -> fs_reclaim -> notifier map -> lock, the last at munmap', mutexDeadlock),
    ),
    hidden,
  ),
  cell(
    9,
    'alloc-under-lock',
    'interval munmap',
    annotated('lock -> fs_reclaim -> notifier map -> lock; no SRCU is held', mutexDeadlock),
    timed,
  ),
  cell(
    9,
    'alloc-under-lock',
    'hlist reclaim',
    behindSrcu(
      always('kswapd really comes by: fs_reclaim -> lock needs no annotation', mutexDeadlock),
    ),
    hidden,
  ),
  cell(
    9,
    'alloc-under-lock',
    'interval reclaim',
    always('kswapd really comes by: fs_reclaim -> lock needs no annotation', mutexDeadlock),
  ),
  cell(
    10,
    'alloc-under-end-lock',
    'hlist munmap',
    behindSrcu(
      annotated('the map is held around the end callback too', deadlock('splat_mn_take_end_lock')),
    ),
    { ...hidden, ...timed },
  ),
  cell(
    11,
    'register-under-lock',
    'hlist register',
    silent('missed: registration takes the mmap_lock but primes no map, so no cycle is closed'),
  ),
  cell(
    11,
    'register-under-lock',
    'hlist munmap',
    behindSrcu(
      always('lock -> mmap_lock at registration, mmap_lock -> lock at munmap', mutexDeadlock),
    ),
    hidden,
  ),
  cell(
    11,
    'register-under-lock',
    'interval munmap',
    always('lock -> mmap_lock at registration, mmap_lock -> lock at munmap', mutexDeadlock),
  ),
  cell(
    12,
    'alloc-under-all-locks',
    'hlist register',
    annotated(
      'i_mmap_rwsem -> fs_reclaim; the other half is what dma_resv_lockdep() does at boot',
      deadlock('mm_take_all_locks'),
    ),
  ),
  cell(
    13,
    'fence-alloc-noio',
    'hlist register',
    annotated(
      'dma_fence_map -> notifier map by GFP_NOIO, which takes no fs_reclaim; the other half is dma_resv_lockdep() at boot',
      deadlock('splat_mn_allocate_before_signalling'),
    ),
    timed,
  ),
  cell(
    14,
    'fail-blockable',
    'interval munmap',
    annotated('an interval notifier must not refuse when blockable', startRefused),
  ),
  cell(
    15,
    'abba-mmap-lock',
    'hlist munmap',
    behindSrcu(always('lock -> mmap_lock against mmap_lock -> callback -> lock', mutexDeadlock)),
    hidden,
  ),
  cell(
    15,
    'abba-mmap-lock',
    'interval munmap',
    always('lock -> mmap_lock against mmap_lock -> callback -> lock', mutexDeadlock),
  ),
];

const keptRules: readonly Control[] = [
  cell(16, 'spinlock', 'hlist mrelease', silent('a spinlock does not sleep, unless on PREEMPT_RT')),
  cell(
    17,
    'refuse',
    'hlist mrelease',
    silent('-EAGAIN is allowed when non-blockable and without an end op; its line is an event'),
    { refusals: 5 },
  ),
  cell(17, 'refuse', 'hlist oom-memcg', silent('the reaper comes back up to 10 times'), {
    refusals: 25,
  }),
  cell(
    17,
    'refuse',
    'hlist oom-memcg',
    silent('it gives up after 10 times: "unable to reap" and the held locks are events'),
    { refusals: 0xffffffff },
  ),
  cell(19, 'sleep-mutex', 'interval mrelease', [
    {
      from: since,
      states: ['extended'],
      splats: [mutexSleeps],
      because: 'our series opens a section around interval notifiers too',
    },
    ...silent('missed: mn_itree_invalidate() opens no non-blocking section'),
  ]),
  ...(
    [
      ['hlist munmap', 'a callback may sleep when the range is blockable'],
      ['interval munmap', 'the same through the interval tree'],
      ['hlist dontneed', 'the same, in newer kernels under a VMA lock'],
      ['interval dontneed', 'the same through the interval tree'],
      ['hlist mrelease', 'a trylock does not sleep'],
      ['interval mrelease', 'a trylock does not sleep'],
      ['hlist oom-memcg', 'the same in the oom_reaper; the OOM kill is an event'],
      ['interval oom-memcg', 'the same in the oom_reaper; the OOM kill is an event'],
      ['hlist oom-global', 'the same when the whole guest is out of memory'],
      ['hlist reclaim', 'kswapd may wait for a lock under which nobody allocates'],
    ] as const
  ).map(([where, because]) => cell(21, 'well-behaved', where, silent(because))),
];

export const controls: readonly Control[] = Object.freeze([
  ...failures,
  ...sleeps,
  ...lockOrders,
  ...keptRules,
  ...moreControls,
]);

/** Row 18: workloads with real users of notifiers, whose OOM kills must be silent; each with what reaps its victims. */
export const realUsers: readonly {
  readonly row: number;
  readonly workload: string;
  readonly notifier: Control['notifier'];
  readonly trigger: Control['trigger'];
  readonly because: string;
}[] = Object.freeze([
  {
    row: 18,
    workload: 'kvm',
    notifier: 'hlist',
    trigger: 'oom-memcg',
    because: "KVM's callback neither sleeps nor fails when it must not",
  },
  {
    row: 18,
    workload: 'hmm',
    notifier: 'interval',
    trigger: 'oom-memcg',
    because: "nor does test_hmm's",
  },
]);
