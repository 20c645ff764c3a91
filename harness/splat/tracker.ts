import type { Finding } from '../records/finding.ts';
import type { ReportLine } from './body.ts';
import { fitsHeader } from './compose.ts';
import { conclude } from './conclude.ts';
import { isRelayed } from './console-line.ts';
import {
  attachesToSplat,
  eventAt,
  isChoice,
  isTail,
  readEvent,
  readKilled,
  rebootFinding,
  tailFinding,
} from './events.ts';
import type { HeaderPlace, HeaderTest } from './header-place.ts';
import {
  aftermathLines,
  BootWatch,
  continues,
  isAftermath,
  isOfDying,
  isPrelude,
} from './incident.ts';
import type { ReadLine } from './line-reader.ts';
import { feed, type OpenReport, openReport, withLines } from './open-report.ts';
import { rules } from './rules/index.ts';
import type { Rule } from './rules/rule.ts';
import { untangle } from './untangle.ts';

/**
 * How long an event waits for its splat: for `own` lines from the event's printk caller, and at most for `anybody` lines from
 * all callers.
 */
const eventPatience = { own: 4, anybody: 200 };
/**
 * The line `---[ end trace` that is more than this many lines below the last splat ends a report whose beginning is not in the
 * log.
 */
const tailLines = 400;
/** The largest number of tasks whose last splat is remembered. */
const mostTasks = 16;
/** The largest number of reports that are open at once; a console that opens more is noise. */
const mostOpen = 16;

interface WaitingEvent {
  readonly event: Finding;
  readonly caller: string;
  own: number;
  anybody: number;
}

function isOver({ own, anybody }: WaitingEvent): boolean {
  return own < 0 || anybody < 0;
}

/**
 * The largest number of texts for which the header test keeps its answer. Answers are kept because a line is tested again for
 * each line near it. Few are kept, because each text keeps alive the slice of the log that it was cut from.
 */
const mostAsked = 48;

/**
 * Returns a function that tells where in a text the header of a report begins. The function returns undefined for a text without
 * a header. Events and ends of reports count as headers.
 */
export function createHeaderTest(): HeaderTest {
  const remembered = [
    new Map<string, HeaderPlace | undefined>(),
    new Map<string, HeaderPlace | undefined>(),
  ] as const;
  return (text, fromKernel) => {
    const known = remembered[fromKernel ? 1 : 0];
    if (known.has(text)) return known.get(text);
    if (known.size >= mostAsked) known.clear();
    const place = headerAt(text, fromKernel);
    known.set(text, place);
    return place;
  };
}

function headerAt(text: string, fromKernel: boolean): HeaderPlace | undefined {
  const rank = rules.findIndex((candidate) => fitsHeader(candidate, text, fromKernel) !== null);
  const rule = rules[rank];
  const match = rule && fitsHeader(rule, text, fromKernel);
  if (match) return { at: match.index, rank, rule };
  const at = eventAt(text);
  return at < 0 ? undefined : { at, rank: 0 };
}

/** Follows the reports of a console line by line. Each printk caller has one report at a time. */
export class Tracker {
  readonly #headerAt: HeaderTest;
  readonly #boots = new BootWatch();
  #found: Finding[] = [];
  #open: OpenReport[] = [];
  #waiting: WaitingEvent[] = [];
  #lastSplatLine = Number.NEGATIVE_INFINITY;
  /** For each task that had a splat lately, by `comm/pid`: the number of the last line of its last splat. */
  readonly #splatLines = new Map<string, number>();
  /** `comm/pid` of the process that the OOM killer killed last. The oom_reaper works for this process. */
  #victim: string | undefined;

  constructor(headerTest: HeaderTest) {
    this.#headerAt = headerTest;
  }

  /** True while every line of the console is needed. While it is false, only lines with a trigger word are needed. */
  get isFollowing(): boolean {
    return this.#open.length > 0 || this.#waiting.length > 0 || this.#boots.isCurious;
  }

  take(line: ReadLine): void {
    const { raw, text, fromKernel, hasTrigger } = line;
    const before = this.#open;
    const mayBoot = hasTrigger || this.#boots.isCurious;
    if (mayBoot && this.#boots.isReboot(raw, text)) {
      this.#closeAll();
      this.#found.push(rebootFinding(line));
    } else if (hasTrigger) this.#consider(line);
    if (this.#waiting.length > 0) this.#correctKill(line);
    for (const report of before) {
      if (!this.#open.includes(report)) continue;
      feed(report, line, fromKernel);
      if (report.complete) this.#close(report);
    }
    if (this.#waiting.length > 0) this.#expireEvents(line.caller);
  }

  /** Closes all open reports, and passes on the events that wait, without waiting for more lines. */
  settle(): void {
    this.#closeAll();
    this.#found.push(...this.#waiting.map((entry) => entry.event));
    this.#waiting = [];
  }

  /** Returns the findings since the last call. */
  drain(): Finding[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  /** Handles a line that may be a header or an event. */
  #consider(line: ReadLine): void {
    const { fromKernel } = line;
    const event = readEvent(line);
    if (event && (attachesToSplat(event) || isChoice(event, line.text))) {
      this.#waiting.push({ event, caller: line.caller, ...eventPatience });
      this.#remember(event);
      return;
    }
    if (event) this.#found.push(event);
    this.#remember(event);
    if (isRelayed(line.text)) return;
    if (isTail(line.text) && this.#isUnknown(line)) this.#found.push(tailFinding(line));
    const rule = this.#headerAt(line.text, fromKernel)?.rule;
    if (!rule || isAftermath(line, this.#lastSplatLine)) return;
    if (line.isStray && !rule.oneLine) return;
    const mine = this.#open.filter(
      (report) => report.lines[0]?.caller === line.caller && !report.tentative,
    );
    if (mine.some((report) => rule.event || continues(report, line.text))) return;
    this.#start(rule, line, fromKernel);
  }

  #remember(event: Finding | undefined): void {
    if (event?.oom) this.#victim = `${event.oom.comm}/${event.oom.pid}`;
  }

  /**
   * Corrects the event of an OOM kill with the next line. Old kernels name the chosen process first, and then the child that is
   * killed instead.
   */
  #correctKill(line: ReportLine): void {
    const at = this.#waiting.findIndex(
      (entry) => entry.event.oom !== undefined && entry.caller === line.caller,
    );
    const entry = this.#waiting[at];
    const event = entry && readKilled(entry.event, line);
    if (!event) return;
    this.#waiting = this.#waiting.toSpliced(at, 1);
    this.#found.push(event);
    this.#remember(event);
  }

  /**
   * True when a line `---[ end trace` belongs to no report: its printk caller has no open report, and no splat ended shortly
   * above.
   */
  #isUnknown({ number, caller }: ReportLine): boolean {
    const isOpen = this.#open.some((report) => report.lines[0]?.caller === caller);
    return !isOpen && number - this.#lastSplatLine > tailLines;
  }

  #start(rule: Rule, line: ReportLine, fromKernel: boolean): void {
    let held: OpenReport | undefined;
    const isDropped = (report: OpenReport) =>
      (report.tentative && report.lines[0]?.caller === line.caller) || isPrelude(report, line);
    this.#open = this.#open.filter((report) => !isDropped(report));
    for (const report of this.#open) {
      if (report.lines[0]?.caller !== line.caller || rule.oneLine) continue;
      if (report.rule.sharesTrace && report.frames === 0) continue;
      report.interrupted = true;
      if (line.caller === '' && !report.ended && !report.held) {
        this.#open = this.#open.filter((other) => other !== report);
        held = report;
      } else this.#close(report);
    }
    const [oldest] = this.#open;
    if (this.#open.length >= mostOpen && oldest) this.#close(oldest);
    const isMine = ({ event, caller }: WaitingEvent) => caller === line.caller && !event.oom;
    const mine = this.#waiting.filter(isMine);
    this.#waiting = this.#waiting.filter((entry) => !isMine(entry));
    const events = mine.map((entry) => entry.event);
    const report = openReport(rule, line, { fromKernel, events, victim: this.#victim });
    report.held = held;
    this.#open = [...this.#open, report];
    if (report.complete) this.#close(report);
  }

  #close(report: OpenReport): void {
    this.#open = this.#open.filter((other) => other !== report);
    const { held } = report;
    const lines = held && untangle(held, report);
    if (held) this.#conclude(lines ? withLines(held, lines.first) : held);
    this.#conclude(lines ? withLines(report, lines.second) : report);
  }

  #conclude(report: OpenReport): void {
    if (report.tentative) return;
    const finding = conclude(report);
    if (!finding) return;
    if (finding.kind === 'event' || !this.#isKnown(finding)) this.#found.push(finding);
    if (finding.kind === 'splat')
      this.#lastSplatLine = Math.max(this.#lastSplatLine, finding.endLine);
  }

  /** True when a splat is only a consequence of an earlier splat that is killing the same task. */
  #isKnown(finding: Finding): boolean {
    const { task, line, endLine } = finding;
    if (task === undefined) return false;
    const last = this.#splatLines.get(task);
    this.#splatLines.delete(task);
    this.#splatLines.set(task, endLine);
    const [oldest] = this.#splatLines.keys();
    if (this.#splatLines.size > mostTasks && oldest !== undefined) this.#splatLines.delete(oldest);
    return last !== undefined && line - last < aftermathLines && isOfDying(finding);
  }

  #closeAll(): void {
    for (const report of this.#open) this.#close(report);
  }

  #expireEvents(caller: string): void {
    for (const entry of this.#waiting) {
      entry.anybody--;
      if (entry.caller === caller) entry.own--;
    }
    this.#found.push(...this.#waiting.filter(isOver).map((entry) => entry.event));
    this.#waiting = this.#waiting.filter((entry) => !isOver(entry));
  }
}
