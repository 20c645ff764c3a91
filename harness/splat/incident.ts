import type { ReportLine } from './body.ts';
import { inlinedHeader } from './compose.ts';
import type { OpenReport } from './open-report.ts';

/** Part of whatever report is open: SLUB's owners, the panic at the end, kmemleak's second line. */
const continuesAny =
  /INFO: (?:(?:Allocated|Freed) in |(?:Slab|Object) 0x)|Kernel panic - not syncing|unreferenced object 0x/;
/** The second line of a fault, before its stack. */
const continuesFault =
  /^(?:\S+: )?(?:Oops|Internal error|invalid opcode|[A-Z][\w ]{3,30}\[#\d+\]|stack guard page|kernel stack overflow|double fault: [0-9a-f]{4} |Unhandled fault: alignment)|^[\w -]{3,40}: [0-9a-f]{4} ilc:\d \[#/;
const continuesRust = /kernel BUG at rust\//;
/** A panic that only says that something before it was fatal. */
const secondHand =
  /Kernel panic - not syncing:? (?:[\w-]+: ){0,3}(?:panic_on_warn set|\w+\.(?:panic|fault)(?:=panic)? set|Fatal exception|hung_task: |softlockup: |RCU Stall|Aiee)|Attempted to kill (?:init|the idle)/;
/** A panic so many lines after a splat is its end, not another splat. */
const aftermathLines = 400;

/** Whether a line that looks like a header is only more of a report that is open already. */
export function continues(report: OpenReport, text: string): boolean {
  if (continuesAny.test(text)) return true;
  if (report.frames > 0) return false;
  if (continuesFault.test(text) || inlinedHeader.test(report.lines.at(-1)?.text ?? '')) return true;
  return continuesRust.test(text) && (report.lines[0]?.text.includes('rust_kernel') ?? false);
}

/** Whether a panic belongs to a splat that ended at `lastSplatLine`. */
export function isAftermath(line: ReportLine, lastSplatLine: number): boolean {
  return line.number - lastSplatLine < aftermathLines && secondHand.test(line.text);
}

/** What the decompressor says; a running kernel never does. */
const banner = /^Booting the kernel\b/;
const planned = /^reboot: (?:Restarting|Power down|machine restart|System halted)/;
const runningClock = /\[ *\d{2,}\.\d{6}\]/;

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
    if (this.#linesSeen++ < firstLines) this.#hasRun ||= runningClock.test(raw);
    if (planned.test(text)) this.#hasRun = false;
    if (!banner.test(text)) return false;
    const again = this.#hasRun;
    this.#hasRun = true;
    return again;
  }
}
