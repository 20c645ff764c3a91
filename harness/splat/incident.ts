import type { ReportLine } from './body.ts';
import { inlinedHeader } from './compose.ts';
import type { OpenReport } from './open-report.ts';

/** Part of whatever report is open: SLUB's owners, the panic at the end. */
const continuesAny =
  /INFO: (?:(?:Allocated|Freed) in |(?:Slab|Object) 0x)|Kernel panic - not syncing/;
/** The second line of a fault, before its stack. */
const continuesFault =
  /^(?:\S+: )?(?:Oops|Internal error|invalid opcode|[A-Z][\w ]{3,30}\[#\d+\]|stack guard page|kernel stack overflow|double fault: [0-9a-f]{4} |Unhandled fault: alignment)|^[\w -]{3,40}: [0-9a-f]{4} ilc:\d \[#/;
/** Who holds what a hung task waits for, and that one's stack: CONFIG_DETECT_HUNG_TASK_BLOCKER, kernel/hung_task.c */
const owner = /INFO: task .{1,60} blocked on an? [\w-]+/;
/** Below a header of the first kind, before its stack, a line of the second is more of it. */
const continuesOwn: readonly (readonly [RegExp, RegExp])[] = [
  // kmemleak's own line below that of a test system
  [/BUG: memory leak/, /^unreferenced object /],
  // its own WARN(), since Linux 6.13 (mm/slab_common.c)
  [/Slab cache still has objects/, /WARNING: .*mm\/slab_common\.c/],
  [/rust_kernel/, /kernel BUG at rust\//],
];
/** A panic, or the end of a task that faulted again, that only says that something before it was fatal. */
const secondHand =
  /Kernel panic - not syncing:? (?:[\w-]+: ){0,3}(?:panic_on_warn set|\w+\.(?:panic|fault)(?:=panic)? set|Fatal exception|hung_task: |softlockup: |RCU Stall|Aiee)|Attempted to kill (?:init|the idle)|Fixing recursive fault but reboot is needed/;
/** A panic so many lines after a splat is its end, not another splat. */
const aftermathLines = 400;

/** Whether a line that looks like a header is only more of a report that is open already. */
export function continues(report: OpenReport, text: string): boolean {
  if (continuesAny.test(text)) return true;
  if (owner.test(text)) return (report.lines[0]?.text ?? '').includes('INFO: task ');
  if (report.frames > 0) return false;
  const header = report.lines[0]?.text ?? '';
  const own = continuesOwn.find(([, words]) => words.test(text));
  if (own) return own[0].test(header);
  return continuesFault.test(text) || inlinedHeader.test(report.lines.at(-1)?.text ?? '');
}

/** Whether a panic belongs to a splat that ended at `lastSplatLine`. */
export function isAftermath(line: ReportLine, lastSplatLine: number): boolean {
  return line.number - lastSplatLine < aftermathLines && secondHand.test(line.text);
}

/** What the decompressor says; a running kernel never does. */
const banner = /^Booting the kernel\b/;
const planned = /^reboot: (?:Restarting|Power down|machine restart|System halted)/;
const runningClock = /\[ *\d{2,}\.\d{6}\]/;

/** A system call as strace and fuzzers write it: a program ran, so a kernel did. */
const programLine = /^(?:r\d+ = )?[a-z]\w*(?:\$\w+)?\(.*\)(?: = .*)?\s*$/;

/** Lines at the start of a log that are looked at for a clock that runs already. */
const firstLines = 4;

/** Notices a kernel that starts again although nobody asked it to. */
export class BootWatch {
  #hasRun = false;
  #linesSeen = 0;

  /** True until the first lines have been looked at. */
  get isCurious(): boolean {
    return this.#linesSeen < firstLines;
  }

  /** True when the line is the banner of an unexpected boot. `raw` still has its stamp. */
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
