import type { ReportLine } from './body.ts';
import { fitsHeader, inlinedHeader } from './compose.ts';
import { conclude } from './conclude.ts';
import { readConsoleLine } from './console-line.ts';
import { attachesToSplat, readEvent, rebootFinding } from './events.ts';
import type { Finding } from './finding.ts';
import { feed, type OpenReport, openReport } from './open-report.ts';
import { rules } from './rules/index.ts';
import type { Rule } from './rules/rule.ts';
import { triggerExpression } from './triggers.ts';

/** An event waits so many lines for the splat it belongs to. */
const eventPatience = 4;
/** A panic this many lines after a splat is its end, not another splat. */
const aftermathLines = 400;
/** Reports open at once; a console that opens more is noise. */
const mostOpen = 16;

const continuesAny =
  /INFO: (?:Allocated|Freed) in |Kernel panic - not syncing|unreferenced object 0x/;
const continuesFault =
  /^(?:\S+: )?(?:Oops|Internal error|invalid opcode|stack guard page|kernel stack overflow)\b/;
const continuesRust = /kernel BUG at rust\//;
const aftermath =
  /Kernel panic - not syncing:? (?:\w+: )?(?:panic_on_warn set|(?:Oops: )?Fatal exception|hung_task: |softlockup: |RCU Stall|Aiee)|Attempted to kill (?:init|the idle)/;
const banner = /^Booting the kernel\b/;
/** Lines looked at for a clock that runs already. */
const firstLines = 4;
const midRun = /\[ *\d{2,}\.\d{6}\]/;
const planned = /^reboot: (?:Restarting|Power down|machine restart|System halted)/;

/** Whether a line that looks like a header is only more of a report that is open already. */
function continues(report: OpenReport, text: string): boolean {
  if (continuesAny.test(text)) return true;
  if (inlinedHeader.test(report.lines.at(-1)?.text ?? '') && report.frames === 0) return true;
  if (report.frames > 0) return false;
  if (continuesFault.test(text)) return true;
  return continuesRust.test(text) && report.lines[0]?.text.includes('rust_kernel') === true;
}

/** Follows the reports of a console line by line. */
export interface Tracker {
  /** False while only lines with a trigger matter. */
  readonly following: () => boolean;
  /** `raw` is the line as latin1 without its newline; `start` and `end` are its bytes, newline included. */
  readonly take: (raw: string, number: number, start: number, end: number) => void;
  /** Gives up waiting for more lines. */
  readonly settle: () => void;
  /** The findings since the last call. */
  readonly drain: () => Finding[];
}

export function createTracker(): Tracker {
  const trigger = new RegExp(triggerExpression().source);
  let found: Finding[] = [];
  let open: OpenReport[] = [];
  let waiting: { readonly event: Finding; readonly caller: string; left: number }[] = [];
  let lastSplatLine = Number.NEGATIVE_INFINITY;
  let boots = 0;
  /** The log began in the middle of a run. */
  let running = false;
  let lines = 0;

  function close(report: OpenReport): void {
    open = open.filter((other) => other !== report);
    const finding = conclude(report);
    if (!finding) return;
    lastSplatLine = Math.max(lastSplatLine, finding.endLine);
    found.push(finding);
  }

  function start(rule: Rule, line: ReportLine, fromKernel: boolean): void {
    for (const report of open.slice()) {
      const isMine = report.lines[0]?.caller === line.caller;
      if (!isMine || rule.oneLine) continue;
      report.interrupted = true;
      close(report);
    }
    const [oldest] = open;
    if (open.length >= mostOpen && oldest) close(oldest);
    const mine = waiting.filter((entry) => entry.caller === line.caller);
    waiting = waiting.filter((entry) => entry.caller !== line.caller);
    const report = openReport(
      rule,
      line,
      fromKernel,
      mine.map((entry) => entry.event),
    );
    open.push(report);
    if (report.complete) close(report);
  }

  /** Handles a line that has a trigger; true when it opened a report. */
  function consider(line: ReportLine, fromKernel: boolean): boolean {
    const { text } = line;
    if (banner.test(text) && (++boots > 1 || running)) {
      for (const report of open.slice()) close(report);
      found.push(rebootFinding(line));
      return true;
    }
    if (planned.test(text)) {
      boots = 0;
      running = false;
    }
    const event = readEvent(line);
    if (event && attachesToSplat(event)) {
      waiting.push({ event, caller: line.caller, left: eventPatience });
      return false;
    }
    if (event) found.push(event);
    const rule = rules.find((candidate) => fitsHeader(candidate, text, fromKernel));
    if (!rule) return false;
    const mine = open.filter((report) => report.lines[0]?.caller === line.caller);
    if (mine.some((report) => continues(report, text))) return false;
    if (aftermath.test(text) && line.number - lastSplatLine < aftermathLines) return false;
    start(rule, line, fromKernel);
    return true;
  }

  return {
    following: () => open.length > 0 || waiting.length > 0 || lines < firstLines,
    take(raw, number, start_, end) {
      const { text, caller, fromKernel } = readConsoleLine(raw);
      if (lines++ < firstLines && running === false) running = midRun.test(raw);
      const line: ReportLine = { text, caller, number, start: start_, end };
      const before = open;
      const opened = trigger.test(text) && consider(line, fromKernel);
      for (const report of before) {
        if (!open.includes(report)) continue;
        if (!(opened && report.frames > 0)) feed(report, line);
        if (report.complete) close(report);
      }
      for (const entry of waiting) if (--entry.left < 0) found.push(entry.event);
      waiting = waiting.filter((entry) => entry.left >= 0);
    },
    settle() {
      for (const report of open.slice()) close(report);
      found.push(...waiting.map((entry) => entry.event));
      waiting = [];
    },
    drain() {
      const result = found;
      found = [];
      return result;
    },
  };
}
