import type { Finding } from '../records/finding.ts';
import type { ReportLine } from './body.ts';
import type { Rule } from './rules/rule.ts';

/**
 * The largest number of lines that are kept for one report, with the lines of other printk callers in between. A longer report is
 * cut.
 */
const mostLines = 3000;
/**
 * A report ends after this many lines in a row that do not look like lines of a report. The number differs above the stack, below a
 * frame of the stack, and below `---[ end trace`. Only lines of the report's printk caller count.
 */
const patience = { beforeTrace: 60, afterTrace: 14, afterEnd: 3 };
/**
 * Some headers count only when a line of a report follows. The line must be among the next `own` lines of the same printk caller,
 * and at most `foreign` lines of other callers in a row may stand above the line.
 */
const tentativePatience = { own: 4, foreign: 200 };
/** A report ends after this many lines in a row of other printk callers. */
const foreignPatience = 1500;
/**
 * A report whose header names a printk caller ends after this many kernel lines without a caller. A kernel prints the caller on all
 * lines or on none, so lines without a caller are from another kernel.
 */
const callerlessPatience = 20;

const reportLike =
  /^\s|^$|\+0x[0-9a-f]|^[A-Za-z]{1,4}\d{0,2} ?: ?[[<(]?[0-9a-f]{4}|^(?:RIP|EIP|RSP|Code|CPU|Hardware|Modules|Call |Backtrace|[Ss]tack|Process|Internal|Oops|PGD|\*pde|Mem abort|pgd|Data abort|user pgtable|Kernel|Rebooting|page|flags|raw|head|read|write|Read|Write|Allocated|Freed|Uninit|Local|The buggy|Memory|which|Object|Bytes|Redzone|Padding|rcu|NMI|Sending|in_atomic|Preempt|irq|hardirq|softirq|other info|the |but |and |-> |Possible|Chain|\(|\d+ locks? held|no locks held|locks held by |handlers:$|Disabling IRQ|Mem-Info|Task dump|Showing|#\d|={5}|-{4}|---\[|\*{3}|\.\.\.|\[|<|Dumping|FS:|CS:|DR\d|CR\d|Workqueue|task|comm|RBP|SMP|Tainted|unwind|kfence|Krnl|LR|NIP|MSR|GPR|CFAR|REGS|epc|ra |status|Flags|Control|INFO: (?:lockdep|task .{1,60} blocked on an? )|preempt|value changed|unreferenced|backtrace|hex dump)/;
/** Matches lines that occur only in reports. */
export const ofReport =
  /^\s*(?:\[<[0-9a-f]+>\] )?(?:\? )?[\w.$]+\+0x[0-9a-f]+\/0x|^\s*(?:CPU: \d+ |NIP: +\[?[0-9a-f]{8}|Call [Tt]race:|Modules linked in:|Hardware name:|<TASK>|<IRQ>)/;
/** Matches lines below a header that a program is unlikely to write. */
export const hintsAtReport =
  /\+0x[0-9a-f]+\/0x[0-9a-f]|\b[Tt]ainted\b|^\s*(?:CPU: \d|Call [Tt]race|Modules linked in|Hardware name|<TASK>|<IRQ>|[RE]IP: |NIP: |in_atomic\(\)|(?:Read|Write) of size|page:|raw: |flags: 0x|comm "|unreferenced object|#PF: |PGD |Oops|Internal error|Mem abort info|\[<[0-9a-f]+>\])/;
/** Matches a line of a stack, but not a register line such as `    pc: c000000000301240: f+0x10/0x20` or ` RP(r2): f+0x10/0x20`. */
const frameLike = /^[\s[(?](?!\s*[A-Za-z][\w()[\]]{0,8} ?: ).*\+0x[0-9a-f]+\/0x/;
const traceEnd = '---[ end trace';
const taskEnd = /^\s*<\/TASK>/;
const panicLine = 'Kernel panic - not syncing';

/** The circumstances under which a report began. */
export interface ReportOrigin {
  /** True when the header had printk's stamp. */
  readonly fromKernel: boolean;
  /** Events directly above the header that belong to the report. */
  readonly events: readonly Finding[];
  /** `comm/pid` of the last process that the OOM killer chose. */
  readonly victim: string | undefined;
}

/** A report that is still being read: its lines so far, and the facts by which its end is detected. */
export interface OpenReport extends ReportOrigin {
  readonly rule: Rule;
  readonly lines: ReportLine[];
  /**
   * The index in `lines` after the last line that belongs to the report; later lines may belong to it if more of the report
   * follows.
   */
  belonging: number;
  /** The number of last lines in a row that do not look like a report. Only lines of the report's printk caller count. */
  quiet: number;
  /** The number of last lines in a row from other printk callers. */
  foreign: number;
  /** The number of kernel lines without a printk caller since the last line of the report's caller. */
  callerless: number;
  /** The number of lines below the header from the report's printk caller. */
  own: number;
  /** The number of lines with a stack frame from the report's printk caller. */
  frames: number;
  /** True after the line `---[ end trace`. */
  ended: boolean;
  /** True when the last line of the report ended the trace of a task: `</TASK>`. */
  tasksEnd: boolean;
  /** True when no further line can belong to the report. */
  complete: boolean;
  /** True while the rule needs a line of a report below the header and no such line has come yet. */
  tentative: boolean;
  /** True when a line of the report is a kernel panic. */
  panicked: boolean;
  /** True when another report began in the middle of this one. */
  interrupted: boolean;
  /** The earlier report that this report interrupted, on a console whose lines do not name their printk caller. */
  held: OpenReport | undefined;
}

/** Starts a report at its header line. */
export function openReport(rule: Rule, header: ReportLine, origin: ReportOrigin): OpenReport {
  return {
    rule,
    lines: [header],
    ...origin,
    belonging: 1,
    quiet: 0,
    foreign: 0,
    callerless: 0,
    own: 0,
    frames: 0,
    ended: false,
    tasksEnd: false,
    complete: rule.oneLine === true,
    tentative: rule.needsReport === true,
    panicked: header.text.includes(panicLine),
    interrupted: false,
    held: undefined,
  };
}

/** A copy of the report with `lines` in place of its lines. All of `lines` belong to the copy. */
export function withLines(report: OpenReport, lines: readonly ReportLine[]): OpenReport {
  return { ...report, lines: [...lines], belonging: lines.length };
}

function patienceOf(report: OpenReport): number {
  if (report.ended) return patience.afterEnd;
  return report.frames > 0 ? patience.afterTrace : patience.beforeTrace;
}

/**
 * The first line of a report of the OOM killer, which has a trace of its own (mm/oom_kill.c, dump_header()). This line ends the
 * task's open report.
 */
const oomDump = / invoked oom-killer: gfp_mask=/;

/** Gives a report the next line of the console, whichever caller printed the line. */
export function feed(report: OpenReport, line: ReportLine, fromKernel: boolean): void {
  report.lines.push(line);
  if (report.lines.length >= mostLines) report.complete = true;
  const [header] = report.lines;
  const isOther =
    header === undefined || line.caller !== header.caller || isOfProgram(line, header);
  if (!isOther) feedOwn(report, line);
  else {
    if (fromKernel && line.caller === '') report.callerless++;
    const most = report.tentative ? tentativePatience.foreign : foreignPatience;
    if (++report.foreign > most || report.callerless > callerlessPatience) report.complete = true;
  }
}

function isWholeEnd(text: string): boolean {
  return text.startsWith('Rebooting in ') || text.includes('---[ end Kernel panic');
}

/** True for a line of a program on the same console: a kernel that stamps its lines stamps all of them. */
function isOfProgram(line: ReportLine, header: ReportLine): boolean {
  return header.isStamped && !line.isStamped && !reportLike.test(line.text);
}

function feedOwn(report: OpenReport, line: ReportLine): void {
  report.foreign = 0;
  report.callerless = 0;
  report.own++;
  if ((report.tasksEnd || report.tentative) && oomDump.test(line.text)) {
    report.complete = true;
    return;
  }
  if (report.tentative) {
    report.tentative = !ofReport.test(line.text);
    if (report.tentative && report.own >= tentativePatience.own) report.complete = true;
  }
  if (line.text.includes(panicLine)) report.panicked = true;
  else if (!reportLike.test(line.text)) {
    if (++report.quiet >= patienceOf(report)) report.complete = true;
    return;
  }
  report.quiet = 0;
  if (line.text !== '') report.belonging = report.lines.length;
  report.tasksEnd = taskEnd.test(line.text);
  if (line.text.includes(traceEnd)) report.ended = true;
  else if (isWholeEnd(line.text)) report.complete = true;
  else if (frameLike.test(line.text)) report.frames++;
}
