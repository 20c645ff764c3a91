import type { Finding } from '../records/finding.ts';
import type { ReportLine } from './body.ts';
import type { Rule } from './rules/rule.ts';

/** Lines kept of one report, its own and those of others in between; a longer one is cut. */
const mostLines = 3000;
/** Own lines in a row that belong to no report: then the report is over. */
const patience = { beforeTrace: 60, afterTrace: 14, afterEnd: 3 };
/** Own lines within which the lines of a report follow words that need them. */
const tentativePatience = 4;
/** Lines of other callers in a row: then the report is given up waiting for. */
const foreignPatience = 1500;
/** Kernel lines without a caller below a header with one: a kernel prints all its callers or none, so this is another one. */
const callerlessPatience = 20;

const reportLike =
  /^\s|^$|\+0x[0-9a-f]|^[A-Za-z]{1,4}\d{0,2} ?: ?[[<(]?[0-9a-f]{4}|^(?:RIP|EIP|RSP|Code|CPU|Hardware|Modules|Call |Backtrace|[Ss]tack|Process|Internal|Oops|PGD|\*pde|Mem abort|pgd|Data abort|user pgtable|Kernel|Rebooting|page|flags|raw|head|read|write|Read|Write|Allocated|Freed|Uninit|Local|The buggy|Memory|which|Object|Bytes|Redzone|Padding|rcu|NMI|Sending|in_atomic|Preempt|irq|hardirq|softirq|other info|the |but |and |-> |Possible|Chain|\(|\d+ locks? held|no locks held|locks held by |handlers:$|Disabling IRQ|Mem-Info|Task dump|Showing|#\d|={5}|-{4}|---\[|\*{3}|\.\.\.|\[|<|Dumping|FS:|CS:|DR\d|CR\d|Workqueue|task|comm|RBP|SMP|Tainted|unwind|kfence|Krnl|LR|NIP|MSR|GPR|CFAR|REGS|epc|ra |status|Flags|Control|INFO: (?:lockdep|task .{1,60} blocked on an? )|preempt|value changed|unreferenced|backtrace|hex dump)/;
/** Only a report has such lines. */
export const ofReport =
  /^\s*(?:\[<[0-9a-f]+>\] )?(?:\? )?[\w.$]+\+0x[0-9a-f]+\/0x|^\s*(?:CPU: \d+ |Call [Tt]race:|Modules linked in:|Hardware name:|<TASK>|<IRQ>)/;
const frameLike = /^[\s[(?].*\+0x[0-9a-f]+\/0x/;
const traceEnd = '---[ end trace';
const taskEnd = /^\s*<\/TASK>/;
const panicLine = 'Kernel panic - not syncing';

/** Under what circumstances a report began. */
export interface ReportOrigin {
  /** The header carried printk's stamp. */
  readonly fromKernel: boolean;
  /** Events just above the header that belong to it. */
  readonly events: readonly Finding[];
  /** `comm/pid` of the last process the OOM killer chose. */
  readonly victim: string | undefined;
}

/** A report still being read: its lines so far, and whether it can be over. */
export interface OpenReport extends ReportOrigin {
  readonly rule: Rule;
  readonly lines: ReportLine[];
  /** Index in `lines` after the last one that belongs. */
  belonging: number;
  quiet: number;
  foreign: number;
  callerless: number;
  frames: number;
  ended: boolean;
  /** Its last line was the end of a task's trace. */
  tasksEnd: boolean;
  complete: boolean;
  /** What its rule needs has not come yet. */
  tentative: boolean;
  panicked: boolean;
  /** Another report began in the middle of this one. */
  interrupted: boolean;
  /** The one that this one interrupted, on a console that does not say who prints. */
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

/** The report with other lines, all of which belong to it. */
export function withLines(report: OpenReport, lines: readonly ReportLine[]): OpenReport {
  return { ...report, lines: [...lines], belonging: lines.length };
}

function patienceOf(report: OpenReport): number {
  if (report.ended) return patience.afterEnd;
  return report.frames > 0 ? patience.afterTrace : patience.beforeTrace;
}

/** The task's next trouble has a trace of its own, and is no part of this (mm/oom_kill.c, dump_header). */
const oomDump = / invoked oom-killer: gfp_mask=/;

/** Hands a report the next line of the console, its own or another caller's. */
export function feed(report: OpenReport, line: ReportLine, fromKernel: boolean): void {
  report.lines.push(line);
  if (report.lines.length >= mostLines) report.complete = true;
  const [header] = report.lines;
  const isOther =
    header === undefined || line.caller !== header.caller || isOfProgram(line, header);
  if (!isOther) feedOwn(report, line);
  else {
    if (fromKernel && line.caller === '') report.callerless++;
    if (++report.foreign > foreignPatience || report.callerless > callerlessPatience)
      report.complete = true;
  }
}

function isWholeEnd(text: string): boolean {
  return text.startsWith('Rebooting in ') || text.includes('---[ end Kernel panic');
}

/** What a program wrote on the same console: a kernel that stamps its lines stamps them all. */
function isOfProgram(line: ReportLine, header: ReportLine): boolean {
  return header.isStamped && !line.isStamped && !reportLike.test(line.text);
}

function feedOwn(report: OpenReport, line: ReportLine): void {
  report.foreign = 0;
  report.callerless = 0;
  if (report.tasksEnd && oomDump.test(line.text)) {
    report.complete = true;
    return;
  }
  if (report.tentative) {
    report.tentative = !ofReport.test(line.text);
    if (report.tentative && report.lines.length > tentativePatience) report.complete = true;
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
