import type { ReportLine } from './body.ts';
import { readFrame } from './frames.ts';
import type { OpenReport } from './open-report.ts';

/** Landmarks of a report: the first words of lines that a report has only once, above its stack. */
const landmarks =
  /^(?:CPU: \d|Hardware name:|RIP: 00(?:10|60)|E?IP is at|pc : |lr : |sp : |Code:|[RE]SP: 00|[RE][ABCDS][XPI]: |R0[89]: |R1[0-5]: |[FCD]S: |CR[02]: |DR[036]: |Call Trace:|Backtrace:)/;
const traceHeading = /(?:Call Trace|[Bb]acktrace):/;
const traceEnd = /---\[ end trace|^\s*<\/TASK>/;
/**
 * When two reports share at least this many landmarks (lines that a report has only once), two CPUs printed at once. One or two
 * shared landmarks may be chance.
 */
const leastDoubled = 3;

/** The lines of two reports that were mixed, separated again. */
export interface Untangled {
  readonly first: readonly ReportLine[];
  readonly second: readonly ReportLine[];
}

/** The landmark of a line, without the number of a CPU: `CPU: 1` and `CPU: 0` are the same landmark. */
function landmarkOf({ text }: ReportLine): string | undefined {
  return landmarks.exec(text)?.[0].replace(/(?<=^CPU: )\d/, '');
}

function ownLines(report: OpenReport): ReportLine[] {
  return report.lines.slice(0, report.belonging);
}

/**
 * Separates two reports when the first was interrupted in the middle of its stack. Frames belong to the first report until the
 * second announces its own stack. Undefined when no frame belongs to the first.
 */
function splitTrace(first: ReportLine[], second: ReportLine[]): Untangled | undefined {
  const announced = second.findIndex((line) => traceHeading.test(line.text));
  if (announced < 0) return undefined;
  const ended = second.findIndex((line) => traceEnd.test(line.text));
  const until = ended < 0 ? announced : Math.min(announced, ended + 1);
  const isOfFirst = (line: ReportLine, index: number) =>
    index > 0 && index < until && (readFrame(line.text) !== undefined || traceEnd.test(line.text));
  const moved = second.filter(isOfFirst);
  if (moved.length === 0) return undefined;
  return {
    first: [...first, ...moved],
    second: second.filter((line, index) => !isOfFirst(line, index)),
  };
}

/**
 * Separates two reports when the first was interrupted above its stack. The first line of each landmark (a line that a report has
 * only once) belongs to the report that began first. Frames below two headings could belong to either report, so neither report
 * gets them.
 */
function splitHeads(first: ReportLine[], second: ReportLine[]): Untangled | undefined {
  const firstFrame = second.findIndex((line) => readFrame(line.text) !== undefined);
  const head = firstFrame < 0 ? second : second.slice(0, firstFrame);
  const taken = new Set(first.flatMap((line) => landmarkOf(line) ?? []));
  const ofFirst: ReportLine[] = [];
  const ofSecond: ReportLine[] = [];
  let doubled = 0;
  const seen = new Set<string>();
  for (const line of head) {
    const landmark = landmarkOf(line);
    if (landmark === undefined || taken.has(landmark)) {
      ofSecond.push(line);
      if (landmark !== undefined && seen.has(landmark)) doubled++;
    } else {
      ofFirst.push(line);
      taken.add(landmark);
      seen.add(landmark);
    }
  }
  if (doubled < leastDoubled) return undefined;
  const isShared = seen.has('Call Trace:') && ofSecond.some((line) => traceHeading.test(line.text));
  const rest = second.slice(head.length);
  return {
    first: [...first, ...ofFirst],
    second: [...ofSecond, ...rest.filter((line) => !isShared || !readFrame(line.text))],
  };
}

/**
 * Separates the lines of two reports that a kernel without CONFIG_PRINTK_CALLER printed at the same time. `first` has the lines
 * above the header of `second`, and `second` has all lines from that header on. Returns undefined when no line shows that the first
 * report went on: the first report was then cut.
 */
export function untangle(first: OpenReport, second: OpenReport): Untangled | undefined {
  const lines = [ownLines(first), ownLines(second)] as const;
  return first.frames > 0 ? splitTrace(...lines) : splitHeads(...lines);
}
