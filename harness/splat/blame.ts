import type { Section, SectionFrame } from './body.ts';
import { leastBareFrames } from './corruption.ts';
import { makeFrame } from './frames.ts';
import type { FrameRule } from './rules/rule.ts';
import { isChecker, neverBlamed, reportingOnly } from './skip-lists.ts';
import {
  hangBuckets,
  hangSkip,
  interruptBoundary,
  interruptEntries,
  stallAnchors,
  stallBuckets,
  stallReporters,
} from './stall-lists.ts';

/** Who is blamed: the name for the title, the frame it came from, and those passed over on the way. */
export interface Blame {
  readonly name: string;
  readonly frame?: SectionFrame;
  readonly passed: readonly SectionFrame[];
}

function passes(rule: FrameRule, name: string): boolean {
  return !neverBlamed.test(name) && !rule.skip?.test(name);
}

function first(rule: FrameRule, frames: readonly SectionFrame[]): Blame | undefined {
  const at = frames.findIndex((entry) => passes(rule, entry.frame.function));
  const frame = frames[at];
  return frame && { name: frame.frame.function, frame, passed: frames.slice(0, at) };
}

/** The frames of what was interrupted, without the tick or IPI that reported the stall. */
function belowTick(frames: readonly SectionFrame[], cut: boolean): readonly SectionFrame[] {
  const boundary = frames.findIndex((entry) => interruptBoundary.test(entry.frame.function));
  const reporter = frames.findLastIndex((entry) => stallReporters.test(entry.frame.function));
  let start = (cut ? boundary : reporter) + 1;
  while (start > 0 && interruptEntries.test(frames[start]?.frame.function ?? '')) start++;
  return frames.slice(start);
}

function stalled(rule: FrameRule, all: readonly SectionFrame[]): Blame | undefined {
  const below = belowTick(all, rule.confirmed === true);
  if (rule.confirmed && below.length === all.length && !all.some((entry) => entry.pc))
    return undefined;
  if (below.length === all.length) return stalledIn(below);
  // A stack that is cut before it reaches a dispatcher still tells what was interrupted.
  return stalledIn(below) ?? stalledIn(all) ?? first(rule, below);
}

function stalledIn(frames: readonly SectionFrame[]): Blame | undefined {
  const anchor = frames.findIndex((entry) => stallAnchors.test(entry.frame.function));
  const bucket = frames
    .slice(0, anchor < 0 ? frames.length : anchor)
    .find((entry) => stallBuckets.test(entry.frame.function));
  if (bucket) return { name: bucket.frame.function, frame: bucket, passed: [] };
  if (anchor < 0) return undefined;
  // A dispatcher that was interrupted itself has nobody above it to blame.
  const at = Math.max(0, anchor - 1);
  const frame = frames[at];
  return frame && { name: frame.frame.function, frame, passed: frames.slice(0, at) };
}

function hung(frames: readonly SectionFrame[]): Blame | undefined {
  for (const frame of frames) {
    if (hangBuckets.test(frame.frame.function))
      return { name: frame.frame.function, frame, passed: [] };
  }
  const at = frames.findIndex(
    ({ frame: { function: name } }) => !hangSkip.test(name) && !neverBlamed.test(name),
  );
  const frame = frames[at];
  return frame && { name: frame.frame.function, frame, passed: frames.slice(0, at) };
}

const pickers = {
  first,
  stall: stalled,
  // Who entered what recurses, else who used up the stack.
  deep: (rule: FrameRule, f: readonly SectionFrame[]) => stalled(rule, f) ?? first(rule, f),
  hang: (_: FrameRule, f: readonly SectionFrame[]) => hung(f),
};

/** Whether a trace got past the frames of the reporting itself. */
function isWhole(frames: readonly SectionFrame[]): boolean {
  return frames.some((entry) => !reportingOnly.test(entry.frame.function));
}

/** The register line of the fault: the first one, unless a trace comes before it. */
export function pcOf(sections: readonly Section[]): SectionFrame | undefined {
  for (const section of sections) {
    const pc = section.frames.find((entry) => entry.pc);
    if (section.kind === 'trace' && section.frames.length > 0) return undefined;
    if (pc) return pc;
  }
  return undefined;
}

/** Candidates per source of the rule, one list a stack: the head's own frames lead the first stack. */
function candidates(
  rule: FrameRule,
  sections: readonly Section[],
  named: readonly SectionFrame[],
): SectionFrame[][] {
  const lists: SectionFrame[][] = [];
  const lead = [...named];
  const [head, ...rest] = sections;
  if (rule.from.includes('pc')) {
    const pc = pcOf(sections);
    if (pc) lead.push(pc);
  }
  if (rule.from.includes('trace')) {
    const bare = head?.frames.filter((entry) => !entry.pc) ?? [];
    if (bare.length >= leastBareFrames) lists.push(bare);
  }
  for (const section of rest) {
    const wanted = rule.from.some((source) => source === section.kind);
    if (wanted && section.frames.length > 0) lists.push(section.frames);
  }
  if (lead.length > 0) lists[0] = [...lead, ...(lists[0] ?? [])];
  return lists;
}

/** A frame with its address, as kernels print it that have no unwinder to be sure (before Linux 4.10). */
const withAddress = /\[<[0-9a-f]{8,16}>\]/;

/**
 * The frames that the unwinder is sure of; all of them where it is sure of none, for want of frame pointers. Not so in a kernel
 * with an unwinder: there they are what was left on the stack of a task that runs, a function twice or a checker's own.
 */
export function believable(frames: readonly SectionFrame[]): readonly SectionFrame[] {
  const certain = frames.filter((entry) => !entry.questionable);
  if (certain.some((entry) => !entry.pc)) return certain;
  if (frames.some(({ line }) => withAddress.test(line.text))) return frames;
  const names = frames.map(({ frame }) => frame.function);
  const isLeftOver = names.some(isChecker) || new Set(names).size < names.length;
  return isLeftOver ? certain : frames;
}

/** The guilty frame of a report, or undefined when all candidates are skipped or none is left. */
export function findBlame(
  rule: FrameRule,
  sections: readonly Section[],
  named: readonly SectionFrame[],
): Blame | undefined {
  const lists = candidates(rule, sections, named);
  for (const frames of rule.ownStack ? lists.slice(0, 1) : lists) {
    const usable = believable(frames).filter((entry) => !entry.frame.inlined);
    if (
      rule.from.includes('header') &&
      rule.confirmed &&
      !isWhole(usable.filter((entry) => !named.includes(entry)))
    )
      continue;
    const blame = pickers[rule.pick ?? 'first'](rule, usable);
    if (blame) return blame;
  }
  return rule.pick === 'stall' ? dumped(rule, sections) : undefined;
}

/** On a stalled CPU whose task was dumped without an interrupt to see where it was. */
function dumped(rule: FrameRule, sections: readonly Section[]): Blame | undefined {
  const traces = sections.filter(({ kind, frames }) => kind === 'trace' && frames.length > 0);
  const [dump, ...others] = traces;
  // Where there are other stacks, the dump is of whom they wait for.
  if (!dump?.isDump || others.length > 0) return undefined;
  const certain = believable(dump.frames);
  const frames = belowTick(certain.length > 0 ? certain : dump.frames, true);
  return first(
    rule,
    frames.filter(({ frame }) => !waiting.test(frame.function)),
  );
}

/** Where a CPU waits for the console, or for its turn. */
const waiting = /^_*schedule$|^console_|^call_console_drivers$|^_?v?printk/;

/** The frame a header or detail line names by itself. */
export function namedFrame(symbol: string, line: SectionFrame['line']): SectionFrame {
  return { frame: makeFrame(symbol), line, questionable: false, pc: false };
}
