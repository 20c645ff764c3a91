/** The table of workloads: what runs in a guest, and what must have been counted for it to have meant anything. */

export interface Workload {
  /** What `--workload` takes. Canaries go by the name of the workload they belong to. */
  readonly name: string;
  /** In the guest. */
  readonly program: string;
  readonly args: readonly string[];
  /** Counters (counters.ts) that must not be zero. */
  readonly witnesses: readonly string[];
  /** Milliseconds of stress when the user names no duration. */
  readonly durationMs: number;
  /** It leaves a picture on the virtio scanout and waits until it was taken. */
  readonly draws?: true;
  /** Set for a canary: the seeded bug's name. */
  readonly canary?: string;
  /** What a canary must make the kernel say: these titles, all of them, and no others. */
  readonly expected?: readonly string[];
  /** The first kernel version on which the canary means nothing, "MAJOR.MINOR"; see `why`. */
  readonly before?: string;
  readonly why?: string;
}

export const workloads: readonly Workload[] = [
  {
    name: 'munmap',
    program: '/bin/munmap',
    args: [],
    witnesses: ['driver.hlist_start_blockable', 'driver.interval_blockable'],
    durationMs: 3000,
  },
  {
    name: 'mrelease',
    program: '/bin/mrelease',
    args: [],
    witnesses: ['driver.hlist_start_nonblockable', 'calls.__oom_reap_task_mm'],
    durationMs: 2000,
  },
  {
    name: 'oom-memcg',
    program: '/bin/oom-memcg',
    args: [],
    witnesses: ['driver.hlist_start_oom_reaper', 'vm.oom_kill'],
    durationMs: 3000,
  },
  {
    name: 'virtio-gpu',
    program: '/bin/virtio-gpu',
    args: [],
    witnesses: ['calls.virtio_gpu_queue_fenced_ctrl_buffer'],
    durationMs: 3000,
    draws: true,
  },
  {
    name: 'hmm',
    program: '/bin/hmm',
    args: [],
    witnesses: ['calls.dmirror_interval_invalidate', 'calls.migrate_vma_setup'],
    durationMs: 3000,
  },
  {
    name: 'controls',
    program: '/bin/controls',
    args: ['--mode', 'well-behaved', '--trigger', 'mrelease'],
    witnesses: ['driver.hlist_start_nonblockable'],
    durationMs: 1500,
  },
];

/** The positive controls: a run in which one of them stays silent proves nothing by its own silence. */
export const canaries: readonly Workload[] = [
  canary('sleep-nonblockable', ['--mode', 'sleep-mutex', '--trigger', 'mrelease'], {
    expected: ['BUG: sleeping function called from invalid context in splat_mn_take_lock'],
  }),
  canary('fail-blockable', ['--mode', 'fail-blockable', '--trigger', 'munmap'], {
    expected: ['WARNING in __mmu_notifier_invalidate_range_start'],
  }),
  canary('fail-nonblockable', ['--mode', 'fail-nonblockable', '--trigger', 'mrelease'], {
    expected: ['WARNING in __mmu_notifier_invalidate_range_start'],
  }),
  canary(
    'alloc-interval',
    ['--mode', 'alloc-under-lock', '--trigger', 'munmap', '--notifier', 'interval'],
    {
      expected: ['possible deadlock in splat_mn_invalidate'],
    },
  ),
  canary(
    'alloc-hlist',
    ['--mode', 'alloc-under-lock', '--trigger', 'munmap', '--notifier', 'hlist'],
    {
      expected: ['possible deadlock in splat_mn_invalidate'],
      before: '6.4',
      why: 'since 6.4 lockdep sees no lock taken inside an hlist callback: SRCU is a checked recursive read there (include/linux/srcu.h) and check_prevs_add() stops at it',
    },
  ),
];

function canary(
  name: string,
  args: readonly string[],
  rest: Pick<Workload, 'expected' | 'before' | 'why'>,
): Workload {
  return {
    name: 'controls',
    program: '/bin/controls',
    args,
    witnesses: ['driver.seeded'],
    durationMs: 1000,
    canary: name,
    ...rest,
  };
}
