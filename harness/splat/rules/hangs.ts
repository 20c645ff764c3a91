import { hang, type Rule, stall } from './rule.ts';

const stalled = ['stall in {frame}'];

/** Rules for CPUs, tasks and devices that no longer make progress: RCU stalls, lockups, hung tasks, lost devices. */
export const hangRules: readonly Rule[] = [
  {
    header: /INFO: rcu_tasks\w* detected stalls on tasks/,
    title: 'INFO: rcu detected stall in {frame}',
    alt: stalled,
    frame: hang,
  },
  {
    // Since Linux 6.2 a CPU that finds its own stall prints the registers and the stack of the interrupted code only
    // (dump_cpu_task(), kernel/sched/core.c).
    header: /INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stalls?\b/,
    title: 'INFO: rcu detected stall in {frame}',
    alt: stalled,
    frame: { from: ['pc', 'trace'], pick: 'stall', confirmed: true },
  },
  {
    header: /BUG: soft lockup\b/,
    title: 'BUG: soft lockup in {frame}',
    alt: stalled,
    frame: { ...stall, from: ['pc', 'trace'] },
  },
  {
    header:
      /[Ww]atchdog(?: detected|: Watchdog detected) (?:hard )?LOCKUP|[Ww]atchdog:? CPU:? ?\d+ (?:self-detected |detected )?[Hh]ard LOCKUP/,
    title: 'BUG: hard lockup in {frame}',
    alt: stalled,
    frame: { ...stall, from: ['pc', 'trace'] },
  },
  { header: /BUG: workqueue lockup\b/, title: 'BUG: workqueue lockup', traceOptional: true },
  {
    header: /INFO: task /,
    // A mail program may put the words after `for more` on the next line.
    detail: /:\d+ blocked (?:(?:on|in) .{0,80} )?for more\b/,
    title: 'INFO: task hung in {frame}',
    alt: ['hang in {frame}'],
    frame: { ...hang, ownStack: true },
  },
  {
    header: /INFO: task .* can't die for more than/,
    title: "INFO: task can't die in {frame}",
    alt: ['hang in {frame}'],
    frame: hang,
  },
  {
    // kernel/irq/spurious.c; the handlers that did not handle the interrupt are listed below the stack
    header: /\birq(?: event)? \d+: nobody cared/,
    detail: /^(?:\[?<[^>]*>\]? |\[[^\]]*\] )(?<frame>[\w.]+)(?: \[[\w-]+\])?(?: threaded .*)?\s*$/,
    title: 'irq NUM: nobody cared',
    frame: { from: ['detail'] },
  },
  {
    header: /\birq(?: event)? \d+: nobody cared/,
    title: 'irq NUM: nobody cared',
    frame: { from: ['trace'], skip: /irq|^note_interrupt/ },
  },
  {
    // kernel/smp.c: another CPU does not answer an IPI
    header: /csd: Detected non-responsive CSD lock/,
    title: 'csd: non-responsive CSD lock',
    traceOptional: true,
  },
  {
    // dev_watchdog(), net/sched/sch_generic.c, since Linux 6.6; older kernels WARN() there
    header: /NETDEV WATCHDOG: CPU: \d+: transmit queue \d+ timed out/,
    title: 'NETDEV WATCHDOG: transmit queue timed out',
    oneLine: true,
    event: true,
  },
  {
    header: /unregister_netdevice: waiting for \S+ to become free/,
    title: 'unregister_netdevice: waiting for DEV to become free',
    oneLine: true,
  },
];
