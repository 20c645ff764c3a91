import type { Finding } from '../records/finding.ts';
import type { ReportLine } from './body.ts';
import { inlinedHeader } from './compose.ts';
import type { OpenReport } from './open-report.ts';
import { diedAtOnce, diedTask } from './rules/rule.ts';

/**
 * Lines that look like headers but continue any open report: SLUB's lines about an object and its owners, and the panic at the end.
 */
const continuesAny =
  /INFO: (?:(?:Allocated|Freed) in |(?:Slab|Object) 0x)|Kernel panic - not syncing/;
/** A second header that the kernel prints for the same fault, above the stack. */
const continuesFault = new RegExp(
  String.raw`^(?:\S+: )?(?:Oops|Internal error|invalid opcode|[A-Z][\w ]{3,30}\[#\d+\]|${diedTask}|(?:COP2: )?${diedAtOnce}|cpu 0x[0-9a-f]+: Vector: |Kernel Fault: Code=|stack guard page|kernel stack overflow|double fault: [0-9a-f]{4} |Unhandled fault: alignment)|^[\w -]{3,40}: [0-9a-f]{4} ilc:\d \[#`,
);
/**
 * The line above the stack of another task in the report of a hung task: the task that holds what the hung task waits for
 * (CONFIG_DETECT_HUNG_TASK_BLOCKER, kernel/hung_task.c).
 */
const owner = /INFO: task .{1,60} blocked on an? [\w-]+/;
/**
 * Pairs of expressions. In a report whose header fits the first expression, a line above the stack that fits the second
 * expression continues the report.
 */
const continuesOwn: readonly (readonly [RegExp, RegExp])[] = [
  // kmemleak's own line below the header that a test system prints
  [/BUG: memory leak/, /^unreferenced object /],
  // the WARN() of the slab cache itself, since Linux 6.13 (mm/slab_common.c)
  [/Slab cache still has objects/, /WARNING: .*mm\/slab_common\.c/],
  // the message of a WARN(), which kernels before Linux 4.1 print below the header
  [/WARNING: .*kernel\/watchdog\.c:/, /^Watchdog detected hard LOCKUP /],
  [/^cpu 0x[0-9a-f]+: Vector: 700 /, /^kernel BUG at /],
  // the WARN() of a kernel that goes on after the failure (CONFIG_CFI_PERMISSIVE)
  [/CFI failure at /, /WARNING: (?:CPU: \d+ PID: \d+ )?at /],
  [/rust_kernel/, /kernel BUG at rust\//],
];
/**
 * A pair like those of `continuesOwn`, for a report of SLUB. Since Linux 6.14 (6.12.y too) object_err() and __slab_err() end
 * with WARN_ON(1) in place of dump_stack(): below the stacks of allocation and free, the warning prints the stack of the
 * report (mm/slub.c).
 */
const warningOfSlub = [
  /\bBUG \S+(?: \([^)]*\))?(?: \((?:Not tainted|Tainted: [^)]*)\))?: [A-Z]/,
  /WARNING: .*(?:\bmm\/slub\.c:\d|\b(?:object_err|__slab_err)\+0x)/,
] as const;
/**
 * A pair like those of `continuesOwn`, for a cache that is destroyed: below the report of SLUB, kmem_cache_destroy() warns of the
 * same objects (mm/slab_common.c).
 */
const warningOfDestroy = [
  /\bBUG .*: Objects remaining (?:in|on) /,
  /Slab cache still has objects|WARNING: .*(?:\bmm\/slab_common\.c:\d|\bkmem_cache_destroy\+0x)/,
] as const;
/** Lines that only say that an earlier report was fatal: a panic, or the end of a task that faulted again. */
const secondHand =
  /Kernel panic - not syncing:? (?:[\w-]+: ){0,3}(?:panic_on_warn set|\w+\.(?:panic|fault)(?:=panic)? set|Fatal exception|hung_task: |softlockup: |RCU Stall|Hard LOCKUP|Aiee)|Attempted to kill (?:init|the idle)|Fixing recursive fault but reboot is needed/;
/**
 * The consequences of a splat come within this many lines below the splat: its panic, and the splats of the task that the
 * splat killed.
 */
export const aftermathLines = 400;
/** The largest number of lines that the message of a WARN() has. */
const longestMessage = 3;

/** True when a line that looks like a header only continues the report that is open. */
export function continues(report: OpenReport, text: string): boolean {
  if (continuesAny.test(text)) return true;
  if (owner.test(text)) return (report.lines[0]?.text ?? '').includes('INFO: task ');
  const header = report.lines[0]?.text ?? '';
  const isPair = ([first, second]: readonly [RegExp, RegExp]) =>
    second.test(text) && first.test(header);
  if (!report.ended && isPair(warningOfSlub)) return true;
  if (isPair(warningOfDestroy)) return true;
  if (report.frames > 0) return false;
  if (continuesOwn.some(isPair)) return true;
  return continuesFault.test(text) || inlinedHeader.test(report.lines.at(-1)?.text ?? '');
}

/** The line with which powerpc says which CPUs are stuck. Each stuck CPU then prints a report (arch/powerpc/kernel/watchdog.c). */
const stuckCpus = /detected hard LOCKUP on other CPUs/;
const stuckCpu = /watchdog: CPU \d+ Hard LOCKUP/;
const warning = /WARNING: (?:CPU: \d+ PID: \d+ )?at |WARNING: .*:\d+ at /;

/**
 * True when an open report is only what the kernel says above the report that begins with `line`: the message of a WARN(), which
 * may begin with `BUG: `, or powerpc's list of the CPUs that are stuck.
 */
export function isPrelude(report: OpenReport, line: ReportLine): boolean {
  if (report.frames > 0) return false;
  if (stuckCpu.test(line.text)) return stuckCpus.test(report.lines[0]?.text ?? '');
  const isMessage =
    report.rule.mayBeMessage === true && report.lines.at(-1)?.caller === line.caller;
  return isMessage && report.own < longestMessage && warning.test(line.text);
}

/** Functions through which a task that faulted leaves the kernel: kernel/exit.c, arch/x86/entry, and die() of each architecture. */
const dying = /^(?:make_task_dead|rewind_stack_(?:and_make_dead|do_exit)|oops_end|die)$/;

/**
 * True for a splat about a task that an oops has killed. What a dying task left behind, such as locks and a preemption count, is
 * the work of this oops. The kernel then has the taint of an oops: `G      D`, or `[D]=DIE`.
 */
export function isOfDying({ taint = '', stack }: Pick<Finding, 'taint' | 'stack'>): boolean {
  const hasDied = taint.includes('=') ? taint.includes('[D]') : taint.includes('D');
  return hasDied && stack.some((frame) => dying.test(frame.function));
}

/**
 * True for a panic or a second fault that is only the end of the last splat. `lastSplatLine` is the number of that splat's
 * last line.
 */
export function isAftermath(line: ReportLine, lastSplatLine: number): boolean {
  return line.number - lastSplatLine < aftermathLines && secondHand.test(line.text);
}

/** The banner of a boot, `Booting the kernel.`, which the decompressor prints. A running kernel never prints this line. */
const banner = /^Booting the kernel\b/;
const planned = /^reboot: (?:Restarting|Power down|machine restart|System halted)/;
const runningClock = /\[ *\d{2,}\.\d{6}\]/;

/** A system call as strace and fuzzers write it. The line shows that a program ran, and therefore a kernel. */
const programLine = /^(?:r\d+ = )?[a-z]\w*(?:\$\w+)?\(.*\)(?: = .*)?\s*$/;

/**
 * The number of lines at the start of a log that are searched for signs of a kernel that already runs (`runningClock`,
 * `programLine`).
 */
const firstLines = 4;

/** Detects that a kernel boots again although the log shows no planned restart (`reboot: Restarting system`). */
export class BootWatch {
  #hasRun = false;
  #linesSeen = 0;

  /** True until the first lines of the log have been searched for signs of a running kernel. Until then every line is needed. */
  get isCurious(): boolean {
    return this.#linesSeen < firstLines;
  }

  /**
   * Takes the next line. Returns true when the line is the banner of an unexpected boot. `raw` is the line with its prefix, `text`
   * the line without. Below the first lines of the log, lines without a trigger word may be left out.
   */
  isReboot(raw: string, text: string): boolean {
    if (this.#linesSeen++ < firstLines) {
      this.#hasRun ||= runningClock.test(raw) || programLine.test(raw);
    }
    if (planned.test(text)) this.#hasRun = false;
    if (!banner.test(text)) return false;
    const again = this.#hasRun;
    this.#hasRun = true;
    return again;
  }
}
