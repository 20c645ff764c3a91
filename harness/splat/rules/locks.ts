import { type FrameRule, named, type Rule, trace } from './rule.ts';

/** A rule for lockdep's reports, which name the site where a lock was taken: `(lock){+.+.}, at: [<pc>] function+0x1/0x2`. */
const site: FrameRule = {
  from: ['detail', 'chain', 'trace'],
  skip: /^process_one_work$|^_*fs_reclaim_|^v?printk|^vprintk|^perf_trace_|^alloc_super$/,
};
/**
 * Functions that are skipped for an inconsistent lock state. Unlike in `site`, fs_reclaim_acquire() is blamed: the state of its
 * lock is inconsistent for every task that reclaims memory.
 */
const notTaken = /^process_one_work$|^v?printk|^vprintk|^perf_trace_|^alloc_super$/;
/** A report about an irq-safe lock blames the code that made the lock irq-safe. */
const irqSafe: FrameRule = { from: ['chain', 'trace'] };
const at = /\bat: (?:\[<[^>]*>\] )?(?<frame>[\w.]+)\+0x/;
const begun = 'the report breaks off before its locks';

/** Rules for reports of lockdep, RCU and the checks of spinlocks, and for sleeping in atomic context. */
export const lockRules: readonly Rule[] = [
  {
    header: /[Ii][Rr][Qq](?:-READ|-read)?-safe -> \S*[Ii][Rr][Qq]\S*-unsafe lock order detected/,
    detail: /is trying to acquire/,
    title: 'possible deadlock in {frame}',
    frame: irqSafe,
  },
  {
    header:
      /possible (?:circular|recursive|irq lock inversion) (?:locking|dependency)|(?:Possible )?(?:RECLAIM_FS|RECLAIM)-\w+ (?:lock order|dependency)|possible reclaim_fs lock|possible ABBA/,
    detail: at,
    title: 'possible deadlock in {frame}',
    frame: site,
  },
  {
    header:
      /((?:WARNING|INFO): (?:possible (?:circular|recursive|irq) .*? detected|.*lock order detected))/,
    title: '{1}',
    corrupted: begun,
  },
  {
    header: /(?:WARNING|INFO): (inconsistent lock state)/,
    detail: at,
    title: '{1} in {frame}',
    frame: { ...site, from: ['detail', 'trace'], skip: notTaken, firstDetail: true },
  },
  { header: /((?:WARNING|INFO): inconsistent lock state)/, title: '{1}', corrupted: begun },
  {
    header: /(INFO|WARNING): suspicious RCU usage/,
    detail: /rcu_scheduler_active = \d|other info that might help us debug this/,
    title: '{1}: suspicious RCU usage in {frame}',
    frame: trace,
  },
  { header: /((?:INFO|WARNING): suspicious RCU usage)/, title: '{1}', corrupted: begun },
  {
    header: /(BUG|WARNING): bad unlock balance detected/,
    detail: /(?:^|\] |\) )(?:\[<[^>]*>\] )?(?<frame>[\w.]+)\+0x[0-9a-f]+\/0x[0-9a-f]+/,
    title: '{1}: bad unlock balance in {frame}',
    frame: { from: ['detail', 'trace'] },
  },
  {
    header: /(BUG|WARNING): bad contention detected/,
    detail: at,
    title: '{1}: bad contention in {frame}',
    frame: { from: ['detail', 'trace'] },
  },
  {
    header: /(BUG|WARNING): held lock freed/,
    detail: at,
    title: '{1}: held lock freed in {frame}',
    frame: site,
  },
  {
    header: /(BUG|WARNING): lock held when returning to user space/,
    detail: at,
    title: '{1}: lock held when returning to user space in {frame}',
    frame: site,
    traceOptional: true,
  },
  {
    header: /(BUG|WARNING): (?:.* )?still has locks held/,
    detail: at,
    title: '{1}: still has locks held in {frame}',
    frame: site,
  },
  {
    header: /WARNING: Nested lock was not taken/,
    detail: at,
    title: 'WARNING: nested lock was not taken in {frame}',
    frame: site,
  },
  {
    header: /(?:BUG|WARNING): [Ii]nvalid wait context/,
    title: 'WARNING: locking bug in {frame}',
    frame: trace,
  },
  {
    header: /INFO: trying to register non-static key/,
    title: 'INFO: trying to register non-static key in {frame}',
    frame: trace,
  },
  {
    header: /BUG: (MAX_LOCKDEP_\w+|MAX_STACK_TRACE_ENTRIES|MAX_LOCK_DEPTH) too low!/,
    title: 'BUG: {1} too low!',
    traceOptional: true,
  },
  {
    header: /BUG: (?:key|lock) .* (?:has not been registered|not in \.data)/,
    title: 'BUG: lock key not registered in {frame}',
    frame: trace,
  },
  {
    header:
      /BUG: (spinlock|rwlock) (lockup suspected|lockup|already unlocked|recursion|bad magic|wrong owner|wrong CPU|cpu recursion|trylock failure on UP|cpu-bad|uninitialized)\b/,
    title: 'BUG: {1} {2} in {frame}',
    frame: trace,
  },
  {
    // `Debug:` until Linux 2.6.17. A pager may cut the line in front of the file, `called from invalid conte>`.
    header: /(?:BUG|Debug): sleeping function called from invalid con/,
    title: 'BUG: sleeping function called from invalid context in {frame}',
    frame: trace,
  },
  {
    header: /BUG: scheduling in a non-blocking section/,
    title: 'BUG: scheduling in a non-blocking section in {frame}',
    frame: trace,
  },
  {
    header: /BUG: scheduling while atomic/,
    title: 'BUG: scheduling while atomic in {frame}',
    frame: trace,
  },
  {
    header: /bad: scheduling from the idle thread!/,
    title: 'bad: scheduling from the idle thread in {frame}',
    frame: trace,
  },
  {
    // kernel/softirq.c: the handler took or left a lock
    header: /huh, entered softirq \d+ (\w+) /,
    title: 'softirq {1} changed preempt_count',
    oneLine: true,
  },
  {
    header: /BUG: using ([a-z_]+\(\)) in preemptible/,
    title: 'BUG: using {1} in preemptible code in {frame}',
    frame: {
      from: ['trace'],
      skip: /^(?:check_preemption_disabled|debug_smp_processor_id|__this_cpu_preempt_check)$/,
    },
  },
  {
    header: /BUG: workqueue leaked (?:lock or atomic|atomic, lock or RCU)/,
    detail: /(?:last function: |\bworkfn=)(?<frame>[\w.]+)/,
    title: 'BUG: workqueue leaked lock or atomic in {frame}',
    frame: { from: ['detail'] },
    traceOptional: true,
  },
  {
    header: /BUG: (?:assuming|assumed) (?:atomic|preemptible|non.?migratable) context/,
    title: 'BUG: assuming atomic context in {frame}',
    frame: named,
  },
];
