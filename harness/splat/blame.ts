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

/**
 * The function, source file or module that a report is blamed on. `name` is its name for the title. `frame` is the frame that has
 * this name; it is absent when the report names no function (compose.ts, lastResort()). `passed` are the frames above `frame`
 * that were skipped.
 */
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

/** The frames of the interrupted code: those below the timer tick or IPI that reported the stall. */
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
  // A stack that is cut before it reaches a dispatcher still shows the interrupted code.
  return stalledIn(below) ?? stalledIn(all) ?? first(rule, below);
}

function stalledIn(frames: readonly SectionFrame[]): Blame | undefined {
  const anchor = frames.findIndex((entry) => stallAnchors.test(entry.frame.function));
  const bucket = frames
    .slice(0, anchor < 0 ? frames.length : anchor)
    .find((entry) => stallBuckets.test(entry.frame.function));
  if (bucket) return { name: bucket.frame.function, frame: bucket, passed: [] };
  if (anchor < 0) return undefined;
  // The frame above the dispatcher is blamed. When the dispatcher itself was interrupted, no frame is above it, and the
  // dispatcher is blamed.
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
  // For a recursion: blames the function through which the recursion was entered, else the function that used up the stack.
  deep: (rule: FrameRule, f: readonly SectionFrame[]) => stalled(rule, f) ?? first(rule, f),
  hang: (_: FrameRule, f: readonly SectionFrame[]) => hung(f),
};

/** True when a trace has frames other than those of the reporting itself. */
function isWhole(frames: readonly SectionFrame[]): boolean {
  return frames.some((entry) => !reportingOnly.test(entry.frame.function));
}

/**
 * The program counter at the fault: the frame that the first register line names. Undefined when there is no register line, or
 * when a trace with frames begins before the first one.
 */
export function pcOf(sections: readonly Section[]): SectionFrame | undefined {
  for (const section of sections) {
    const pc = section.frames.find((entry) => entry.pc);
    if (section.kind === 'trace' && section.frames.length > 0) return undefined;
    if (pc) return pc;
  }
  return undefined;
}

/**
 * The frames that may be blamed, as one list for each stack. Only the kinds of stacks count that the rule names in `from`. The
 * frames that the header, the detail line and the program counter name stand first in the first list.
 */
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

/** A frame line with an address, as kernels print it whose unwinder cannot tell whether a frame is certain (before Linux 4.10). */
const withAddress = /\[<[0-9a-f]{8,16}>\]/;

/**
 * The certain frames of a stack. When the unwinder marks all frames as uncertain, because the kernel has no frame pointers, all
 * frames are returned. The exception is a stack in which a function occurs twice or belongs to a checker: its uncertain frames
 * are leftovers of a running task and are left out. Frame lines with an address (`withAddress`) are not subject to this
 * exception.
 */
export function believable(frames: readonly SectionFrame[]): readonly SectionFrame[] {
  const certain = frames.filter((entry) => !entry.questionable);
  if (certain.some((entry) => !entry.pc)) return certain;
  if (frames.some(({ line }) => withAddress.test(line.text))) return frames;
  const names = frames.map(({ frame }) => frame.function);
  const isLeftOver = names.some(isChecker) || new Set(names).size < names.length;
  return isLeftOver ? certain : frames;
}

/** The guilty frame of a report; undefined when it has no candidates or all of them are skipped. */
export function findBlame(
  rule: FrameRule,
  sections: readonly Section[],
  named: readonly SectionFrame[],
): Blame | undefined {
  const lists = candidates(rule, sections, named);
  for (const frames of rule.ownStack ? lists.slice(0, 1) : lists) {
    // The frame that the header names is always certain. It must not decide how believable() judges the frames of the stack.
    const stack = believable(frames.filter((entry) => !named.includes(entry))).filter(
      (entry) => !entry.frame.inlined,
    );
    if (rule.from.includes('header') && rule.confirmed && !isWhole(stack)) continue;
    const usable = [...frames.filter((entry) => named.includes(entry)), ...stack];
    const blame = pickers[rule.pick ?? 'first'](rule, usable);
    if (blame) return blame;
  }
  return rule.pick === 'stall' ? dumped(rule, sections) : undefined;
}

/**
 * The guilty frame of a stalled CPU, from the dump of its task. It is for a report that has no other stack, and in whose dump no
 * interrupt shows where the CPU was. Undefined for any other report.
 */
function dumped(rule: FrameRule, sections: readonly Section[]): Blame | undefined {
  const traces = sections.filter(({ kind, frames }) => kind === 'trace' && frames.length > 0);
  const [dump, ...others] = traces;
  // When the report has other stacks, they belong to tasks that wait for the dumped CPU, and no frame is blamed here.
  if (!dump?.isDump || others.length > 0) return undefined;
  const certain = believable(dump.frames);
  const frames = belowTick(certain.length > 0 ? certain : dump.frames, true);
  return first(
    rule,
    frames.filter(({ frame }) => !waiting.test(frame.function)),
  );
}

/** Functions in which a CPU waits for the console or for its turn. */
const waiting = /^_*schedule$|^__switch_to$|^console_|^call_console_drivers$|^_?v?printk/;

/** The frame for a function that a header or detail line names. */
export function namedFrame(symbol: string, line: SectionFrame['line']): SectionFrame {
  return { frame: makeFrame(symbol), line, questionable: false, pc: false };
}
