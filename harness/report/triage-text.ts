import type { Finding, StackFrame } from '../records/finding.ts';
import { withoutMachinery } from '../splat/skip-lists.ts';

/** The options of the text output. */
export interface TriageStyle {
  readonly colour: boolean;
  /** The number of frames of each stack that are shown. The other frames are only counted. */
  readonly frames: number;
}

const paints = { red: '31', yellow: '33', dim: '2', bold: '1' } as const;

function paint(style: TriageStyle, colour: keyof typeof paints, text: string): string {
  return style.colour && text !== '' ? `\x1b[${paints[colour]}m${text}\x1b[0m` : text;
}

// Controls, DEL, C1, and characters that reorder or hide text (Unicode bidi controls and zero-width characters).
// oxlint-disable-next-line no-control-regex
const unsafe = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Makes text of a log safe for a terminal: control characters and characters that hide or reorder text become escapes, such as
 * `\x1b` and `\u202e`. Tabs and newlines are kept.
 */
export function escapeLogText(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** A frame in words: `ext4_iget+0x10/0x200 [ext4] fs/ext4/inode.c:123`. */
function formatFrame(frame: StackFrame): string {
  const offset = frame.offset === undefined ? '' : `+${hex(frame.offset)}`;
  const size = frame.size === undefined ? '' : `/${hex(frame.size)}`;
  const module = frame.module === undefined ? '' : ` [${frame.module}]`;
  const location = frame.location === undefined ? '' : ` ${frame.location}`;
  const inlined = frame.inlined ? ' [inline]' : '';
  return `${frame.symbol}${offset}${size}${module}${location}${inlined}`;
}

function factsOf(finding: Finding): string {
  const facts = [
    finding.cpu === undefined ? '' : `cpu ${finding.cpu}`,
    finding.task === undefined ? '' : `task ${finding.task}`,
    finding.kernel === undefined ? '' : `kernel ${finding.kernel}`,
    finding.taint ? `tainted ${finding.taint}` : '',
    finding.hardware === undefined ? '' : `on ${finding.hardware}`,
  ];
  return facts.filter((fact) => fact !== '').join(', ');
}

function blockerOf({ blocker }: Finding): string[] {
  if (!blocker) return [];
  return [
    `waits for a ${blocker.lock}, ${blocker.task === undefined ? 'whose owner is not known' : `likely held by ${blocker.task}`}`,
  ];
}

function locksOf(finding: Finding): string[] {
  const cycle = finding.locks?.cycle ?? [];
  return cycle.length > 0 ? [`locks: ${[...cycle, cycle[0]].join(' -> ')}`] : [];
}

function nonBlockOf(finding: Finding): string[] {
  const facts = finding.nonBlock;
  if (!facts) return [];
  const parts = [
    facts.count === undefined ? 'slept in a non-blocking section' : `non_block ${facts.count}`,
    facts.callback === undefined ? '' : `callback ${facts.callback}`,
    facts.sleeper === undefined ? '' : `slept in ${facts.sleeper}`,
    facts.victim === undefined ? '' : `for ${facts.victim}`,
  ];
  return [parts.filter((part) => part !== '').join(', ')];
}

/** The word that syzbot puts in place of an unknown function. */
const unknownFunction = / in corrupted(?=$|\/)/;
const noStack = /^no (?:frames|stack trace)/;

/** Returns the title of a finding for people, without the word `corrupted`, which stands for an unknown function. */
export function titleOf({ title }: Finding): string {
  return escapeLogText(title.replace(unknownFunction, ''));
}

function damageOf({ corrupted, corruptedReason = 'damaged', stack }: Finding): string {
  if (!corrupted) return '';
  if (noStack.test(corruptedReason) && stack.length === 0) return ' (no stack in the log)';
  // Only the title lacks a function, and the stack is printed below the title, so the report is not cut.
  return corruptedReason === noBlame ? '' : ` (cut: ${corruptedReason})`;
}

/** The reason given for a report in whose stack all functions are helpers. */
const noBlame = 'no frames to blame';

/** The first line of a report, cut to 200 characters. An empty list when the title says the same. */
function headerOf({ title, text }: Finding): string[] {
  const header = text[0]?.trim().slice(0, longestHeader) ?? '';
  return header === '' || header === title ? [] : [header];
}

const longestHeader = 200;

/**
 * Returns one finding as a block of lines, without the last newline. `number` is the finding's number for `--explain`. Without
 * `number`, no number is printed.
 */
export function formatFinding(finding: Finding, style: TriageStyle, number?: number): string {
  const isSplat = finding.kind === 'splat' && !finding.suppressed;
  const shownNumber = number === undefined ? '' : `finding ${number}, `;
  const where = `${shownNumber}lines ${finding.line}-${finding.endLine}`;
  const mark = paint(style, 'yellow', damageOf(finding));
  const title = paint(style, isSplat ? 'red' : 'bold', titleOf(finding));
  const stack = withoutMachinery(finding.stack);
  const shown = stack.slice(0, style.frames);
  const hidden = stack.length - shown.length;
  const details = [
    ...headerOf(finding),
    factsOf(finding),
    ...blockerOf(finding),
    ...nonBlockOf(finding),
    ...locksOf(finding),
    ...(finding.events ?? []),
    ...shown.map((frame) => `  ${formatFrame(frame)}`),
    ...(hidden > 0 ? [`  ... ${hidden} more`] : []),
  ].filter((line) => line !== '');
  const lines = [
    `${title}${mark}`,
    paint(style, 'dim', `    ${where}, signature ${finding.signature}`),
    ...details.map((line) => `    ${escapeLogText(line)}`),
  ];
  return lines.join('\n');
}

/**
 * Returns a line for each signature, with the number of findings and the log line of the first finding. Returns `no splats` when
 * there are no findings.
 */
export function formatSummary(groups: readonly FindingGroup[], style: TriageStyle): string {
  if (groups.length === 0) return 'no splats';
  const rows = groups.map(({ first, count }) => {
    const kind = first.kind === 'event' ? 'event' : first.suppressed ? 'muted' : 'splat';
    return `${String(count).padStart(6)}  ${kind}  line ${String(first.line).padEnd(8)} ${titleOf(first)}`;
  });
  return [paint(style, 'bold', ' count  kind   first'), ...rows].join('\n');
}

/** The findings of a log that have the same signature. */
export interface FindingGroup {
  readonly first: Finding;
  readonly count: number;
}

/** Returns the lines of the log from which the title, frame and extent of a finding come. */
export function formatExplanation(finding: Finding, style: TriageStyle): string {
  const rows = finding.evidence.map(
    ({ line, role, text }) =>
      `${String(line).padStart(8)}  ${role.padEnd(13)} ${escapeLogText(text.slice(0, 160))}`,
  );
  const { start, end } = finding.bytes;
  return [
    paint(style, 'bold', escapeLogText(finding.title)),
    ...finding.altTitles.map((title) => `    or: ${escapeLogText(title)}`),
    `    class ${escapeLogText(finding.class)}; lines ${finding.line}-${finding.endLine}, bytes ${start}-${end}`,
    ...(finding.corruptedReason === undefined ? [] : [`    corrupted: ${finding.corruptedReason}`]),
    ...rows,
  ].join('\n');
}
