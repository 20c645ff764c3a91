/**
 * What each control must make the kernel say: the modes of the seeded-bug driver, set off by the guest program `controls`.
 * Seen on 6.1.192 and 6.12.117; other versions are what their source promises, 6.4 as a boundary included.
 */

/** A splat as it is printed. Its title is that of syzbot's style, with the function to blame. */
export interface ExpectedSplat {
  readonly title: string;
  /** The source file in the report's own header; lockdep names none. */
  readonly file?: string;
}

/** For kernel versions in the half-open range [from, before), "MAJOR.MINOR". */
export interface Expectation {
  readonly from: string;
  readonly before?: string;
  /** All of them, as a set; empty: silence. */
  readonly splats: readonly ExpectedSplat[];
  readonly because: string;
}

/** One cell of the detection matrix: a broken (or kept) rule, the notifier it is broken through, and what sets it off. */
export interface Control {
  readonly mode: string;
  readonly notifier: 'hlist' | 'interval';
  readonly trigger: 'register' | 'munmap' | 'mrelease' | 'oom-memcg' | 'oom-global' | 'reclaim';
  /** For mode `refuse`: how many non-blockable calls it refuses. */
  readonly refusals?: number;
  /** A counter of the driver that must move, or the control was not exercised. */
  readonly witness: string;
  readonly expectations: readonly Expectation[];
}

function sleeping(where: string, file: string): ExpectedSplat {
  return { title: `BUG: sleeping function called from invalid context in ${where}`, file };
}

function deadlock(where: string): ExpectedSplat {
  return { title: `possible deadlock in ${where}` };
}

function warning(where: string, file: string): ExpectedSplat {
  return { title: `WARNING in ${where}`, file };
}

/** One expectation for every version the driver is for. */
function always(because: string, ...splats: readonly ExpectedSplat[]): readonly Expectation[] {
  return [{ from: '5.10', splats, because }];
}

/** Silence: the callbacks ran, and nothing is to be said about them. */
const silent = (because: string): readonly Expectation[] => always(because);

/** Seen until SRCU's lockdep map became a checked recursive read (6.4), at which check_prevs_add() stops: see `srcuHole`. */
function untilSrcuHole(
  because: string,
  ...splats: readonly ExpectedSplat[]
): readonly Expectation[] {
  return [
    { from: '5.10', before: '6.4', splats, because },
    { from: '6.4', splats: [], because: srcuHole },
  ];
}

function cell(
  mode: string,
  where: `${Control['notifier']} ${Control['trigger']}`,
  expectations: readonly Expectation[],
  refusals?: number,
): Control {
  const [notifier, trigger] = where.split(' ') as [Control['notifier'], Control['trigger']];
  const control = { mode, notifier, trigger, witness: witnessOf(notifier, trigger), expectations };
  return refusals === undefined ? control : { ...control, refusals };
}

/** The driver's counter of the callbacks that a trigger causes; a mere registration causes none. */
function witnessOf(notifier: Control['notifier'], trigger: Control['trigger']): string {
  const start = notifier === 'hlist' ? 'hlist_start' : 'interval';
  switch (trigger) {
    case 'register':
      return 'seeded';
    case 'munmap':
    case 'reclaim':
      return `${start}_blockable`;
    case 'mrelease':
      return `${start}_nonblockable`;
    case 'oom-memcg':
    case 'oom-global':
      return `${start}_oom_reaper`;
  }
}

const srcuHole =
  'a lock taken in an hlist callback gets no edge from what is held around it: the SRCU read lock in between hides it';

const mutexSleeps = sleeping('splat_mn_take_lock', 'kernel/locking/mutex.c');
const mutexDeadlock = deadlock('splat_mn_take_lock');
const startRefused = warning('__mmu_notifier_invalidate_range_start', 'mm/mmu_notifier.c');

const keptRules: readonly Control[] = [
  cell('well-behaved', 'hlist munmap', silent('a callback may sleep when the range is blockable')),
  cell('well-behaved', 'interval munmap', silent('the same through the interval tree')),
  cell('well-behaved', 'hlist mrelease', silent('a trylock does not sleep')),
  cell('well-behaved', 'interval mrelease', silent('a trylock does not sleep')),
  cell(
    'well-behaved',
    'hlist oom-memcg',
    silent('the same in the oom_reaper; the OOM kill is an event'),
  ),
  cell(
    'well-behaved',
    'interval oom-memcg',
    silent('the same in the oom_reaper; the OOM kill is an event'),
  ),
  cell(
    'well-behaved',
    'hlist oom-global',
    silent('the same when the whole guest is out of memory'),
  ),
  cell(
    'well-behaved',
    'hlist reclaim',
    silent('kswapd may wait for a lock under which nobody allocates'),
  ),
  cell('spinlock', 'hlist mrelease', silent('a spinlock does not sleep, unless on PREEMPT_RT')),
  cell(
    'refuse',
    'hlist mrelease',
    silent('-EAGAIN is allowed when non-blockable and without an end op; its line is an event'),
    5,
  ),
  cell('refuse', 'hlist oom-memcg', silent('the reaper comes back up to 10 times'), 25),
  cell(
    'refuse',
    'hlist oom-memcg',
    silent('it gives up after 10 times: "unable to reap" and the held locks are events'),
    0xffffffff,
  ),
];

const failures: readonly Control[] = [
  cell(
    'fail-blockable',
    'hlist munmap',
    always('a failing start must not happen when blockable, -EAGAIN included', startRefused),
  ),
  cell(
    'fail-blockable',
    'interval munmap',
    always('an interval notifier must not refuse when blockable', startRefused),
  ),
  cell(
    'fail-nonblockable',
    'hlist mrelease',
    always(
      '-EAGAIN is the only error allowed when non-blockable; one report a mapping',
      startRefused,
    ),
  ),
  cell(
    'fail-nonblockable',
    'hlist oom-memcg',
    always('the same in the oom_reaper, at each of its 10 attempts', startRefused),
  ),
];

const sleeps: readonly Control[] = [
  cell(
    'sleep-mutex',
    'hlist mrelease',
    always('mutex_lock() may sleep, the section around the callback may not', mutexSleeps),
  ),
  cell('sleep-mutex', 'hlist oom-memcg', always('the same in the oom_reaper', mutexSleeps)),
  cell(
    'sleep-mutex',
    'interval mrelease',
    always('missed: mn_itree_invalidate() opens no non-blocking section'),
  ),
  cell(
    'sleep-alloc',
    'hlist mrelease',
    always(
      'reclaim may sleep, and enters the notifier map that the caller holds already',
      deadlock('__oom_reap_task_mm'),
      sleeping('splat_mn_allocate', 'include/linux/sched/mm.h'),
    ),
  ),
  cell(
    'sleep-wait-event',
    'hlist mrelease',
    always(
      'wait_event() says that it may sleep before it looks at its condition',
      sleeping('splat_mn_wait_for_event', 'drivers/misc/splat/bugs.c'),
    ),
  ),
  cell(
    'sleep-fence-wait',
    'hlist mrelease',
    always(
      'so does dma_fence_wait(), though the fence is signalled',
      sleeping('dma_fence_wait_timeout', 'drivers/dma-buf/dma-fence.c'),
    ),
  ),
  cell(
    'sleep-deep',
    'hlist mrelease',
    always(
      'the section belongs to the task: depth does not matter',
      sleeping('splat_mn_third_call', 'drivers/misc/splat/bugs.c'),
    ),
  ),
  cell(
    'schedule',
    'hlist register',
    always('a voluntary switch inside a section, which no might_sleep() announced', {
      title: 'BUG: scheduling in a non-blocking section in splat_mn_sleep_in_own_section',
    }),
  ),
  cell(
    'unbalanced',
    'hlist register',
    always(
      'the count of sections must not fall below 0',
      warning('splat_mn_end_section_twice', 'drivers/misc/splat/bugs.c'),
    ),
  ),
];

const lockOrders: readonly Control[] = [
  cell(
    'alloc-under-lock',
    'hlist munmap',
    untilSrcuHole('lock -> fs_reclaim -> notifier map -> lock, the last at munmap', mutexDeadlock),
  ),
  cell(
    'alloc-under-lock',
    'interval munmap',
    always('lock -> fs_reclaim -> notifier map -> lock; no SRCU is held in between', mutexDeadlock),
  ),
  cell(
    'alloc-under-lock',
    'hlist reclaim',
    untilSrcuHole('the same when kswapd really comes by', mutexDeadlock),
  ),
  cell(
    'alloc-under-lock',
    'interval reclaim',
    always('the same when kswapd really comes by', mutexDeadlock),
  ),
  cell(
    'alloc-under-end-lock',
    'hlist munmap',
    untilSrcuHole(
      'the map is held around the end callback too',
      deadlock('splat_mn_take_end_lock'),
    ),
  ),
  cell(
    'register-under-lock',
    'hlist register',
    silent('registration takes the mmap_lock but primes no map: nothing to close a cycle with'),
  ),
  cell(
    'register-under-lock',
    'hlist munmap',
    untilSrcuHole('lock -> mmap_lock at registration, mmap_lock -> lock at munmap', mutexDeadlock),
  ),
  cell(
    'register-under-lock',
    'interval munmap',
    always('lock -> mmap_lock at registration, mmap_lock -> lock at munmap', mutexDeadlock),
  ),
  cell(
    'fence-alloc-noio',
    'hlist register',
    always(
      'dma_fence_map -> notifier map by GFP_NOIO, which takes no fs_reclaim; the other half is dma_resv_lockdep() at boot',
      deadlock('splat_mn_allocate_before_signalling'),
    ),
  ),
  cell(
    'abba-mmap-lock',
    'hlist munmap',
    untilSrcuHole('lock -> mmap_lock against mmap_lock -> callback -> lock', mutexDeadlock),
  ),
  cell(
    'abba-mmap-lock',
    'interval munmap',
    always('lock -> mmap_lock against mmap_lock -> callback -> lock', mutexDeadlock),
  ),
];

export const controls: readonly Control[] = Object.freeze([
  ...keptRules,
  ...failures,
  ...sleeps,
  ...lockOrders,
]);
