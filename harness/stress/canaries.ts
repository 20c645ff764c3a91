/** The table of canaries: bugs that a driver of splat triggers on purpose. A run must see the splat of each canary. */
import type { Canary, Workload } from './workload.ts';

/**
 * Canaries, which trigger a bug on purpose, for detectors that only an optional config fragment adds. `ask-processor` also needs
 * DEBUG_VM, an option of debug-vm.config: in 6.1 every kernel has DEBUG_PREEMPT, but this canary is meant only for kernels with
 * debug-vm.config.
 */
const optional: readonly Canary[] = [
  { ...kicked('unlock-unlocked'), needs: ['DEBUG_VM'], endsGuest: true },
  { ...kicked('free-mapped'), needs: ['PAGE_TABLE_CHECK_ENFORCED'], endsGuest: true },
  { ...kicked('ask-processor'), needs: ['DEBUG_VM', 'DEBUG_PREEMPT'] },
  { ...kicked('unmap-other-way'), needs: ['DMA_API_DEBUG'] },
  { ...kicked('read-freed'), needs: ['KASAN'] },
  { ...kicked('forget'), needs: ['DEBUG_KMEMLEAK'], leaks: true },
];

/**
 * The part of a canary whose bug the seeded-bug driver triggers by itself, in the mode `mode`. The canary gets the name of the
 * mode.
 */
function kicked(mode: string): Pick<Canary, 'name' | 'mode' | 'notifier' | 'trigger'> {
  return { name: mode, mode, notifier: 'hlist', trigger: 'register' };
}

/**
 * All canaries. Each canary triggers a bug on purpose. When the kernel stays silent about a canary, the silence of the run's
 * trials proves nothing.
 */
export const canaries: readonly Canary[] = [
  { name: 'sleep-nonblockable', mode: 'sleep-mutex', notifier: 'hlist', trigger: 'mrelease' },
  { name: 'fail-blockable', mode: 'fail-blockable', notifier: 'hlist', trigger: 'munmap' },
  { name: 'fail-nonblockable', mode: 'fail-nonblockable', notifier: 'hlist', trigger: 'mrelease' },
  { name: 'alloc-interval', mode: 'alloc-under-lock', notifier: 'interval', trigger: 'munmap' },
  {
    name: 'alloc-hlist',
    mode: 'alloc-under-lock',
    notifier: 'hlist',
    trigger: 'munmap',
    proves: 'lock order inside hlist callbacks',
  },
  {
    name: 'alloc-end',
    mode: 'alloc-under-end-lock',
    notifier: 'hlist',
    trigger: 'munmap',
    proves: 'lock order inside hlist callbacks',
  },
  { name: 'fence-signalling', mode: 'fence-alloc', notifier: 'hlist', trigger: 'register' },
  ...optional,
];

/** The workload of a canary: it puts the seeded-bug driver into the canary's mode and triggers the bug. */
export function canaryWorkload({ name, mode, notifier, trigger, leaks }: Canary): Workload {
  return {
    name: 'controls',
    program: '/bin/controls',
    args: ['--mode', mode, '--trigger', trigger, '--notifier', notifier],
    witnesses: ['driver.seeded'],
    durationMs: 1000,
    canary: name,
    ...(leaks === undefined ? {} : { leaks }),
  };
}
