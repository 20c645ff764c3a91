import type { ReportLine } from './body.ts';
import { inlinedHeader } from './compose.ts';
import type { OpenReport } from './open-report.ts';
import { diedAtOnce, diedTask } from './rules/rule.ts';

/**
 * Lines that look like headers but continue any open report: what SLUB prints of an object and its owners, and the panic at the
 * end.
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
  // what WARN() said, which kernels before Linux 4.1 print below the header
  [/WARNING: .*kernel\/watchdog\.c:/, /^Watchdog detected hard LOCKUP /],
  [/^cpu 0x[0-9a-f]+: Vector: 700 /, /^kernel BUG at /],
  // the WARN() of a kernel that goes on after the failure (CONFIG_CFI_PERMISSIVE)
  [/CFI failure at /, /WARNING: (?:CPU: \d+ PID: \d+ )?at /],
  [/rust_kernel/, /kernel BUG at rust\//],
];
/** Lines that only say that an earlier report was fatal: a panic, or the end of a task that faulted again. */
const secondHand =
  /Kernel panic - not syncing:? (?:[\w-]+: ){0,3}(?:panic_on_warn set|\w+\.(?:panic|fault)(?:=panic)? set|Fatal exception|hung_task: |softlockup: |RCU Stall|Aiee)|Attempted to kill (?:init|the idle)|Fixing recursive fault but reboot is needed/;
/** A panic within this many lines after a splat is the end of that splat, not another splat. */
const aftermathLines = 400;

/** True when a line that looks like a header only continues the report that is open. */
export function continues(report: OpenReport, text: string): boolean {
  if (continuesAny.test(text)) return true;
  if (owner.test(text)) return (report.lines[0]?.text ?? '').includes('INFO: task ');
  if (report.frames > 0) return false;
  const header = report.lines[0]?.text ?? '';
  if (continuesOwn.some(([first, second]) => second.test(text) && first.test(header))) return true;
  return continuesFault.test(text) || inlinedHeader.test(report.lines.at(-1)?.text ?? '');
}

/**
 * True for a panic or a second fault that only ends the last splat. The last line of this splat has the number `lastSplatLine`.
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
   * Takes the next line. True when the line is the banner of an unexpected boot. `raw` is the line with its prefix, `text` the
   * line without. Below the first lines of the log, lines without a trigger word may be left out.
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
