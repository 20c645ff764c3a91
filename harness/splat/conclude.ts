import { readLockReport } from '../locks/read-report.ts';
import type { Evidence, Finding, StackFrame } from '../records/finding.ts';
import { believable, pcOf } from './blame.ts';
import { type ReportLine, readSections, type Section } from './body.ts';
import { type Composition, compose, inlinedHeader } from './compose.ts';
import { corruptionOf } from './corruption.ts';
import { readBlocker, readFacts, readNonBlock } from './facts.ts';
import { isOfDying } from './incident.ts';
import { hasSymbols, withoutSymbols } from './markup.ts';
import { isMixed } from './mixture.ts';
import type { OpenReport } from './open-report.ts';
import { rules } from './rules/index.ts';
import type { Rule } from './rules/rule.ts';
import { signatureOf } from './signature.ts';

const utf8 = new TextDecoder();
const highBytes = /[\x80-\xff]/;

/**
 * Decodes text that has one latin1 character for each byte as UTF-8. The scanner works on latin1; all text that leaves the
 * scanner goes through this function.
 */
export function decodeText(latin1: string): string {
  if (!highBytes.test(latin1)) return latin1;
  return utf8.decode(Uint8Array.from(latin1, (character) => character.charCodeAt(0)));
}

/** The text of a line as a person should read it: decoded, and without the offsets that withSymbols() inserted. */
function readableText(latin1: string): string {
  return decodeText(withoutSymbols(latin1));
}

function readableLines(lines: readonly ReportLine[]): string[] {
  const texts = lines.map((line) => line.text);
  // Most reports are plain text and need no change: one check of the whole report is cheaper than one of each line.
  const whole = texts.join('\n');
  return hasSymbols(whole) || highBytes.test(whole) ? texts.map(readableText) : texts;
}

function evidenceOf(composition: Composition, lines: readonly ReportLine[]): Evidence[] {
  const evidence: Evidence[] = [];
  const note = (line: ReportLine | undefined, role: Evidence['role']) => {
    if (line) evidence.push({ line: line.number, text: readableText(line.text), role });
  };
  note(lines[0], 'header');
  note(composition.detail, 'detail');
  for (const passed of composition.blame?.passed.slice(0, 12) ?? [])
    note(passed.line, 'skipped frame');
  note(composition.blame?.frame?.line, 'guilty frame');
  note(lines.at(-1), 'end');
  return evidence;
}

function stackOf(sections: readonly Section[]): StackFrame[] {
  const traces = sections.filter(
    (section) => section.kind === 'trace' && section.frames.length > 0,
  );
  const [chosen] = traces.length > 0 ? traces : sections.slice(0, 1);
  const pc = pcOf(sections);
  const frames = believable(chosen?.frames ?? []).filter((entry) => entry !== pc);
  const all = (pc ? [pc, ...frames] : frames).map((entry) => entry.frame);
  return all.slice(0, 64);
}

interface Reading {
  readonly lines: readonly ReportLine[];
  readonly sections: readonly Section[];
  readonly composition: Composition;
}

/**
 * The rules to try for a report: the rule that opened the report, and all later rules. The earlier rules do not fit the header. For
 * the header of an inlined function, all rules are tried.
 */
function candidates({ rule, lines }: OpenReport): readonly Rule[] {
  return inlinedHeader.test(lines[0]?.text ?? '') ? rules : rules.slice(rules.indexOf(rule));
}

/** The end of a line such as `(lock){+.+.}, at:` whose function a mail program or the kernel put on the next line. */
const wrapped = /\bat: *(?:\[<[0-9a-f]{8,16}>\] *)?$/;

function unwrap(lines: readonly ReportLine[]): readonly ReportLine[] {
  if (!lines.some((line) => wrapped.test(line.text))) return lines;
  return lines.map((line, index) => {
    const next = wrapped.test(line.text) ? lines[index + 1] : undefined;
    return next ? { ...line, text: `${line.text.trimEnd()} ${next.text.trim()}` } : line;
  });
}

function read(report: OpenReport, lines: readonly ReportLine[]): Reading | undefined {
  const sections = readSections(lines);
  const composition = compose(candidates(report), lines, sections, report.fromKernel);
  return composition && { lines, sections, composition };
}

/**
 * Converts a report that has ended to a finding, which is a splat or an event. Returns undefined when no rule fits the report.
 * Lines of other printk callers are left out, unless only these lines name a function to blame.
 */
export function conclude(report: OpenReport): Finding | undefined {
  const [header] = report.lines;
  if (!header) return undefined;
  const all = report.lines.slice(0, report.belonging);
  const own = unwrap(all.filter((line) => line.caller === header.caller));
  let reading = read(report, own);
  const isNameless = reading?.composition.frameless === true && !reading.composition.blame;
  if (isNameless && own.length < all.length) {
    const wider = read(report, all);
    if (wider && !wider.composition.frameless) reading = wider;
  }
  return reading && makeFinding(report, reading);
}

/** The values that tell two bugs of one class apart. The signature is made from the class and these values. */
function identityOf(
  finding: Pick<Finding, 'frame' | 'locks' | 'nonBlock' | 'events'>,
  { place }: Composition,
): string[] {
  if (finding.locks) return [finding.locks.signature];
  return [
    finding.frame || (place ?? ''),
    finding.nonBlock?.callback ?? '',
    ...(finding.events ?? []),
  ];
}

/**
 * The lines and bytes that a report takes up in the log. When the log has its newest lines first (pstore-pieces.ts), the last line
 * of a report may be above its header.
 */
function extentOf(lines: readonly ReportLine[]): Pick<Finding, 'line' | 'endLine' | 'bytes'> {
  const isReversed = (lines[0]?.number ?? 0) > (lines.at(-1)?.number ?? 0);
  const sorted = isReversed ? lines.toSorted((a, b) => a.number - b.number) : lines;
  const first = sorted[0];
  const last = sorted.at(-1);
  return {
    line: first?.number ?? 0,
    endLine: last?.number ?? 0,
    bytes: { start: first?.start ?? 0, end: last?.end ?? 0 },
  };
}

function isSuppressed(rule: Rule, found: Parameters<typeof isOfDying>[0]): boolean {
  return rule.suppressed === true || isOfDying(found);
}

/** The reason why a report may be incomplete or may contain lines of another task. Undefined for a report that can be trusted. */
function damageOf(
  report: OpenReport,
  { lines, sections, composition }: Reading,
): string | undefined {
  const reason = corruptionOf(composition, sections, report.interrupted);
  if (reason !== undefined) return reason;
  return isMixed(composition.rule, lines, sections) ? 'two tasks printed at once' : undefined;
}

function makeFinding(report: OpenReport, reading: Reading): Finding {
  const { lines, sections, composition } = reading;
  const stack = stackOf(sections);
  const facts = readFacts(lines);
  const nonBlock = readNonBlock(lines, stack, report.victim);
  const blocker = composition.class.startsWith('INFO: task') ? readBlocker(lines) : undefined;
  const locks = readLockReport(lines.map((line) => line.text));
  const reason = damageOf(report, reading);
  const frame = decodeText(composition.frame);
  const events = report.events.map((event) => event.title);
  const identity = {
    frame,
    ...(locks && { locks }),
    ...(nonBlock && { nonBlock }),
    ...(events.length > 0 && { events }),
  };
  return {
    kind: composition.rule.event ? 'event' : 'splat',
    title: decodeText(composition.title),
    altTitles: composition.altTitles.map(decodeText),
    class: decodeText(composition.class),
    ...extentOf(lines),
    ...facts,
    ...(facts.task !== undefined && { task: decodeText(facts.task) }),
    corrupted: reason !== undefined,
    ...(reason !== undefined && { corruptedReason: reason }),
    suppressed: isSuppressed(composition.rule, { ...facts, stack }),
    ...(report.panicked && { panicked: true as const }),
    stack,
    ...(blocker && { blocker }),
    ...identity,
    signature: signatureOf(composition.class, identityOf(identity, composition)),
    evidence: evidenceOf(composition, lines),
    text: readableLines(lines),
  };
}
