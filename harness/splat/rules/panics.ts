import { type FrameRule, type Rule } from './rule.ts';

/** Until Linux 2.6.0 the words were `Kernel panic: `. */
const panic = 'Kernel panic(?: - not syncing:?|:) ';
const secondHand = 'report format is marked as corrupted';
const program: FrameRule = { from: [] };

function panicRow(pattern: string, title: string, more: Partial<Rule> = {}): Rule {
  return { header: new RegExp(panic + pattern), title: `kernel panic: ${title}`, ...more };
}

/** Rules for the end of a kernel, of a boot, or of the program that tests the kernel. */
export const panicRules: readonly Rule[] = [
  panicRow('Attempted to kill init!', 'Attempted to kill init!'),
  panicRow('Attempted to kill the idle task!', 'Attempted to kill the idle task!'),
  panicRow("Couldn't open N_TTY ldisc", "Couldn't open N_TTY ldisc"),
  panicRow('(?:kernel: )?panic_on_warn set', 'panic_on_warn set', { corrupted: secondHand }),
  panicRow('(?:Oops: )?Fatal exception', 'Fatal exception', { corrupted: secondHand }),
  panicRow(
    'stack-protector: Kernel stack is corrupted in: (?:\\[<[0-9a-f]+>\\] |[0-9a-f]{8,16}\\b ?)?(?<frame>[\\w.]+)?',
    'stack is corrupted in {frame}',
    {
      frame: { from: ['header', 'trace'] },
      traceOptional: true,
    },
  ),
  panicRow('corrupted stack end detected inside scheduler', 'corrupted stack end in {frame}', {
    frame: { from: ['trace'], pick: 'stall' },
    alt: ['stack-overflow in {frame}'],
  }),
  panicRow('sysrq triggered crash', 'sysrq triggered crash', { traceOptional: true }),
  panicRow(
    'VFS: Unable to mount root fs on (?<text>[^\\n]*)',
    'VFS: Unable to mount root fs on {text}',
    {
      class: 'kernel panic: VFS: Unable to mount root fs',
      alt: ['kernel panic: VFS: Unable to mount root fs'],
      traceOptional: true,
    },
  ),
  panicRow(
    'Out of memory: ((?:compulsory|system-wide|cpuset_slab_spread)[\\w -]*? panic_on_oom.*? is enabled)',
    'Out of memory: {1}',
    { traceOptional: true },
  ),
  panicRow(
    '(?<text>System is deadlocked on memory|Out of memory and no killable processes[^\\n]*|No working init found[^\\n]*)',
    '{text}',
    { traceOptional: true },
  ),
  panicRow(
    '((?:hung_task|softlockup|RCU Stall|hardlockup|Hard LOCKUP)\\b(?:: (?:blocked tasks|hung tasks))?)',
    '{1}',
    { corrupted: secondHand },
  ),
  {
    // arch/arm64/kernel/traps.c, arm64_serror_panic(): the registers are printed before the panic, and some logs end between the
    // two.
    header: /SError Interrupt on CPU\d+, code 0x[0-9a-f]+ --/,
    title: 'kernel panic: Asynchronous SError Interrupt',
    traceOptional: true,
  },
  panicRow('(?<text>[^\\n]*)', '{text}', {}),
  {
    header: /Kernel panic(?: -[a-z ]{0,14}:?)?\s*$/,
    title: 'kernel panic',
    corrupted: 'the line breaks off',
    fromKernel: true,
  },
  {
    header: /trusty: panic \([^)]*\):(?: DEBUG)? ASSERT FAILED at \(.*?\):(?<text>.+)/,
    title: 'trusty: ASSERT FAILED: {text}',
    oneLine: true,
  },
  {
    header: /trusty: panic.*ASSERT FAILED/,
    title: 'trusty: ASSERT FAILED:',
    corrupted: 'report format is marked as corrupted',
    oneLine: true,
  },
  { header: /trusty: panic \(/, title: 'trusty: panic', oneLine: true },
  {
    header:
      /^(?:[\d/: ]{19} )?BUG: (?<text>(?:program execution failed|executor-detected bug)\b.*)/,
    title: 'BUG: {text}',
    oneLine: true,
  },
  {
    header: /VFS: Close: file count is (?:0|zero)/,
    title: 'VFS: Close: file count is zero (use-after-free)',
    oneLine: true,
  },
  {
    header: /VFS: Busy inodes after unmount/,
    title: 'VFS: Busy inodes after unmount (use-after-free)',
    oneLine: true,
  },
  {
    header: /^panic: (?<text>cannot allocate memory|out of memory)/,
    title: 'panic: {text}',
    oneLine: true,
    suppressed: true,
    fromProgram: true,
    frame: program,
  },
  { header: /^panic: (?<text>.*)/, title: 'panic: {text}', oneLine: true, fromProgram: true },
  {
    header: /^fatal error: (?:out of memory|runtime: |runtime:)|^runtime: out of memory/,
    title: 'go runtime error',
    oneLine: true,
    suppressed: true,
    fromProgram: true,
  },
  {
    header:
      /^(?:fatal error: (?!.*No such file)|SIGSEGV: segmentation violation|unexpected fault address)/,
    title: 'go runtime error',
    oneLine: true,
    fromProgram: true,
  },
  {
    header: /SYZFAIL: (?<text>SIGBUS|.*(?:No space left|annot allocate memory|out of memory).*)/,
    title: 'SYZFAIL: {text}',
    oneLine: true,
    suppressed: true,
  },
  {
    header: /(SYZFAIL|SYZFATAL): (?<text>.*)/,
    title: '{1}: {text}',
    oneLine: true,
  },
];
