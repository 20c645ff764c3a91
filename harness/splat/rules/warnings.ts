import { type FrameRule, named, type Rule } from './rule.ts';

const warned: FrameRule = { from: ['header', 'trace'], confirmed: true };

/** The condition that failed, such as `[ptr == NULL && 1] ` (CONFIG_DEBUG_BUGVERBOSE_DETAILED, Linux 6.18). */
const condition = String.raw`(?:\[.{1,300}?\] )?`;

/**
 * The header of a WARN() in a source file: `WARNING: CPU: 1 PID: 2 at mm/mmu_notifier.c:502 f+0x1/0x2`, and since Linux 6.18
 * `WARNING: fs/dcache.c:829 at fast_dput+0x334/0x430, CPU#0: comm/123`.
 */
function at(path: string, functionName = ''): RegExp {
  const rest = functionName && String.raw`:\d+ (?:at )?(?:${functionName})`;
  return new RegExp(
    String.raw`WARNING: (?:CPU: \d+ PID: \d+ )?(?:at )?${condition}(?:\S*/)?(?:${path})${rest || String.raw`:\d+`}`,
  );
}

/**
 * Warnings in shared code, such as lib/refcount.c. Each is titled after its meaning, and the caller of the shared code is blamed.
 */
const places: readonly (readonly [RegExp, string, RegExp?])[] = [
  [
    at(String.raw`lib/debugobjects\.c`),
    'WARNING: ODEBUG bug in {frame}',
    /^_*free_(?:pages?|unref|large)|^_*vunmap|^_*vfree|^_*(?:kv?free_)?call_s?rcu/,
  ],
  [at(String.raw`lib/refcount\.c|include/linux/refcount\.h`), 'WARNING: refcount bug in {frame}'],
  [at(String.raw`mm/usercopy\.c`), 'WARNING: bad usercopy in {frame}'],
  [at(String.raw`lib/kobject\.c`), 'WARNING: kobject bug in {frame}'],
  [at(String.raw`fs/proc/generic\.c`), 'WARNING: proc registration bug in {frame}', /^_*proc_/],
  [at(String.raw`mm/vmalloc\.c`, '__vmalloc_node_range'), 'WARNING: zero-size vmalloc in {frame}'],
  [
    at(String.raw`mm/\w+\.c`, String.raw`_*k?\w?[mzc]alloc\w*|kv?malloc\w*`),
    'WARNING: kmalloc bug in {frame}',
  ],
  [
    at(String.raw`kernel/locking/lockdep\.c`),
    'WARNING: locking bug in {frame}',
    /^(?:lock|release)_sock/,
  ],
  [at(String.raw`drivers/usb/core/urb\.c`), 'WARNING in {frame}/usb_submit_urb', /^usb_/],
];

/** Rules for WARN() and related macros. */
export const warningRules: readonly Rule[] = [
  ...places.map(
    ([header, title, skip]): Rule => ({
      header,
      title,
      frame: skip ? { ...warned, skip } : warned,
    }),
  ),
  {
    // Programs write lines such as `WARNING: at least one test failed`, so two plain words after `at` are no source line.
    header: /WARNING: (?:CPU: \d+ PID: \d+ )?at (?![a-z]+ [a-z]+\b(?![+/]))/,
    title: 'WARNING in {frame}',
    frame: warned,
  },
  {
    header: new RegExp(String.raw`WARNING: ${condition}[\w./-]+\.(?:[chS]|rs):\d+ at `),
    title: 'WARNING in {frame}',
    frame: { ...warned, from: ['header', 'pc', 'trace'] },
  },
  {
    // WARN_ON() until Linux 2.6.17, and on powerpc until 3.12
    header: /^Badness (?:in (?<frame>[\w.]+) )?at (?:\S+:\d+|[0-9a-f]{8,16} \[verbose)/,
    title: 'WARNING in {frame}',
    frame: { ...warned, from: ['header', 'pc', 'trace'] },
    needsReport: true,
  },
  {
    // WARN_ON() from Linux 2.6.18 until 2.6.24
    header: /BUG: warning at \S+:\d+\/(?<frame>[\w.]+)\(\)/,
    title: 'WARNING in {frame}',
    frame: warned,
  },
  {
    // ex_handler_msr_mce() and similar functions, arch/x86/mm/extable.c: worth noting, but common under hypervisors
    header: /unchecked MSR access error: (RDMSR|WRMSR) /,
    title: 'unchecked MSR access error: {1} in {frame}',
    frame: named,
    event: true,
    traceOptional: true,
  },
  {
    // sysfs_warn_dup(), fs/sysfs/dir.c
    header: /sysfs: cannot create duplicate filename /,
    title: 'sysfs: cannot create duplicate filename in {frame}',
    frame: { from: ['trace'], skip: /^_*(?:sysfs|kernfs|device)_/ },
    event: true,
    traceOptional: true,
  },
  {
    // The unwinder, arch/x86/kernel/unwind_orc.c and unwind_frame.c
    header:
      /^WARNING: (?<text>(?:can't (?:access|dereference) (?:iret )?registers|stack (?:recursion|going)|unrecognized unwind|unknown (?:orc|unwind|registers)).*)/,
    title: 'WARNING: {text}',
    oneLine: true,
    fromKernel: true,
  },
  {
    header: /WARNING: kernel stack regs at [0-9a-f]+ in \S* has bad ('[^']+') value/,
    title: 'WARNING: kernel stack regs has bad {1} value',
    traceOptional: true,
  },
  {
    header: /WARNING: kernel stack (?:regs|frame pointer) at .* has bad /,
    title: 'WARNING: kernel stack regs has bad value',
    traceOptional: true,
  },
];
