import type { ReportLine, Section } from './body.ts';
import type { Rule } from './rules/rule.ts';

/**
 * Detects reports into which another task printed. A kernel without CONFIG_PRINTK_CALLER does not say which task printed a line, so
 * the lines of two reports may end up in one report.
 */

/** The line that names CPU and task, once in each report: `CPU: 1 UID: 0 PID: 412 Comm: demo Not tainted 6.12.0 #1`. */
const cpuLine = /^CPU: \d+ (?:UID: \d+ )?PID: (\d+) Comm: /;
/** Other lines that name the task that prints the report, above its CPU line. */
const pidLines: readonly RegExp[] = [
  /WARNING: CPU: \d+ PID: (\d+) at /,
  /WARNING: .*, CPU#\d+: .{1,24}\/(\d+)\s*$/,
  /^in_atomic\(\): .*\bpid: (\d+), name: /,
  /^(?:Read|Write) (?:of size \d+ )?at addr [0-9a-f]+ by task .{1,40}\/(\d+)\s*$/,
  /BUG: scheduling while atomic: .{1,40}\/(\d+)\/0x/,
];
/**
 * Below these lines a report may show further tasks: the panic that a report causes, a second warning of SLUB, and stacks of
 * other CPUs.
 */
const further =
  /Kernel panic - not syncing|Slab cache still has objects|NMI backtrace for cpu|Sending NMI|Task dump for CPU/;
const heading = /^Call [Tt]race:/;
const begin = /^\s*<TASK>/;
const end = /^\s*<\/TASK>/;
const traceEnd = '---[ end trace';

/** A cheap check before all other expressions: the beginnings of the lines that those expressions fit. */
const telling =
  /^(?:\s{0,4}<\/?TASK>|CPU: |Call |---\[|WARNING: |in_atomic|Read |Write |BUG: sched|Kernel panic|NMI |Sending|Task dump|rcu: Task|kmem_cache_destroy )/;

/** The pid of the process that prints the report, as the line says. Undefined for a line that names no process. */
function pidOf(text: string): string | undefined {
  const own = cpuLine.exec(text)?.[1];
  if (own !== undefined) return own;
  for (const expression of pidLines) {
    const pid = expression.exec(text)?.[1];
    if (pid !== undefined) return pid;
  }
  return undefined;
}

/** The kinds of lines that show where one task's output ends and the next task's output begins. */
type Landmark = 'cpu' | 'heading' | 'begin' | 'end' | 'over';

function landmarkOf(text: string): Landmark | undefined {
  if (text.includes('TASK>'))
    return begin.test(text) ? 'begin' : end.test(text) ? 'end' : undefined;
  if (text.startsWith('CPU: ')) return cpuLine.test(text) ? 'cpu' : undefined;
  if (text.startsWith(traceEnd)) return 'over';
  return heading.test(text) ? 'heading' : undefined;
}

/**
 * True when a second stack of a task begins before the first stack ends, ends without a beginning, or follows the end of
 * the report.
 */
function isNested(marks: readonly Landmark[]): boolean {
  const [first, second, third] = marks.filter((mark) => mark === 'begin' || mark === 'end');
  const isTwice = first === 'begin' && (second === 'begin' || third === 'end');
  const over = marks.indexOf('over');
  return isTwice || (over >= 0 && marks.includes('begin', over));
}

/** True when the CPU line of the report stands between two stacks. */
function isBelowOther(marks: readonly Landmark[]): boolean {
  const cpu = marks.indexOf('cpu');
  const isStack = (mark: Landmark) => mark === 'begin' || mark === 'heading';
  return cpu > 0 && marks.slice(0, cpu).some(isStack) && marks.slice(cpu).some(isStack);
}

/** The lines of a report that `telling` matches, up to the first line that `further` matches. */
function tellingLines(lines: readonly ReportLine[]): ReportLine[] {
  const found: ReportLine[] = [];
  for (const line of lines) {
    if (!telling.test(line.text)) continue;
    if (further.test(line.text)) break;
    found.push(line);
  }
  return found;
}

/** True when lines above the line with the number `until` name two tasks. */
function namesTwo(lines: readonly ReportLine[], until: number): boolean {
  const above = lines.filter(({ number }) => number < until);
  return new Set(above.flatMap(({ text }) => pidOf(text) ?? [])).size > 1;
}

/**
 * True when two tasks printed the lines from which a report's title was made. False for a report whose lines name their printk
 * caller. The signs are nested stacks, a stack below the end of the report, the names of two tasks, and a CPU line between two
 * stacks. The last two signs do not count for stalls and hangs, whose reports show other tasks.
 */
export function isMixed(
  { frame }: Rule,
  lines: readonly ReportLine[],
  sections: readonly Section[],
): boolean {
  if (lines[0]?.caller !== '') return false;
  const own = tellingLines(lines);
  const marks = own.flatMap(({ text }) => landmarkOf(text) ?? []);
  if (isNested(marks)) return true;
  if (frame?.pick === 'stall' || frame?.pick === 'hang') return false;
  const stack = sections.find(({ kind, frames }) => kind === 'trace' && frames.length > 0);
  const until = stack?.frames.at(-1)?.line.number ?? Number.POSITIVE_INFINITY;
  return namesTwo(own, until) || isBelowOther(marks);
}
