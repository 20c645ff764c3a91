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
 * The function, source file or module that a report blames. The title of the report is made from `name`. `frame` is the stack frame
 * of the function and is absent for a file or a module. `passed` holds the frames above `frame` that were skipped.
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

/**
 * The frames of the code that a timer tick or an IPI interrupted, which stand below the frames of the tick or IPI. With `cut`,
 * these frames begin below the interrupt's entry; without `cut`, below the last function that reported the stall.
 */
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
  // A stack that ends before a dispatcher (a function of `stallAnchors`) still shows the interrupted code.
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

/** True when a stack has a frame of a function other than those that print the report. */
function isWhole(frames: readonly SectionFrame[]): boolean {
  return frames.some((entry) => !reportingOnly.test(entry.frame.function));
}

/**
 * The frame of the program counter: the function in the first register line, such as `RIP: 0010:f+0x1/0x2`. Undefined when the
 * report has no register line, or when a stack trace with frames begins above the line.
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
 * The frame of the program counter with which a stalled CPU answered the NMI of the CPU that detected the stall. `index` is the
 * index of the section above the CPU's stack. Returns an empty list when the section is no such answer, and for the CPU on which
 * RCU's own thread ran last, because that CPU is not the stalled one (kernel/rcu/tree_stall.h).
 */
function answered(sections: readonly Section[], index: number): readonly SectionFrame[] {
  const [above, answer] = [sections[index - 1], sections[index]];
  if (!answer || !nmiAnswer.test(answer.heading.text)) return [];
  const isOfThread = above !== undefined && lastRan.test(above.heading.text);
  const isCounter = answer.frames.length > 0 && answer.frames.every((entry) => entry.pc);
  return isCounter && !isOfThread ? answer.frames.slice(0, 1) : [];
}

const nmiAnswer = /^NMI backtrace for cpu \d/;
const lastRan = /^(?:rcu: )?Stack dump where RCU GP kthread last ran/;

/**
 * Returns the frames that may be blamed: one list for each stack whose kind is in the rule's `from`. The first list begins with
 * `named`, the frames that the header names. The frame of the program counter comes next, if the rule wants it.
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
  for (const [index, section] of rest.entries()) {
    const wanted = rule.from.some((source) => source === section.kind);
    if (!wanted || section.frames.length === 0) continue;
    const counter = rule.confirmed && rule.pick === 'stall' ? answered(sections, index) : [];
    lists.push([...counter, ...section.frames]);
  }
  if (lead.length > 0) lists[0] = [...lead, ...(lists[0] ?? [])];
  return lists;
}

/**
 * Matches a line of a stack with an address, `[<ffffffff81234567>]`. Kernels before Linux 4.10 print such lines when their
 * unwinder cannot tell whether a frame is certain.
 */
const withAddress = /\[<[0-9a-f]{8,16}>\]/;

/**
 * The frames of a stack that can be trusted. When the unwinder marked only some frames as uncertain, these are left out. When it
 * marked all frames as uncertain, because the kernel has no frame pointers, all are returned. In one case the uncertain frames are
 * left out nevertheless, as leftovers of a running task: the stack has no certain frames, and a function occurs twice or a
 * checker's function occurs. This case does not apply to a stack whose lines have an address (`withAddress`).
 */
export function believable(frames: readonly SectionFrame[]): readonly SectionFrame[] {
  const certain = frames.filter((entry) => !entry.questionable);
  if (certain.some((entry) => !entry.pc)) return certain;
  if (frames.some(({ line }) => withAddress.test(line.text))) return frames;
  const names = frames.map(({ frame }) => frame.function);
  const isLeftOver = names.some(isChecker) || new Set(names).size < names.length;
  return isLeftOver ? certain : frames;
}

/**
 * Returns what `rule` blames for a report. `named` holds the frames that the header names. Returns undefined when the report has no
 * frame that may be blamed.
 */
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
 * The guilty frame of a stalled CPU, from the kernel's dump of the task on this CPU (`Task dump for CPU 1:`). Undefined when the
 * report has a stack besides the dump, or when all frames of the dump are skipped.
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

/** Functions in which a task waits for a CPU or for the console. */
const waiting = /^_*schedule$|^__switch_to$|^console_|^call_console_drivers$|^_?v?printk/;

/** Makes a frame from a symbol that a line of the report names outside of a stack, such as the header. */
export function namedFrame(symbol: string, line: SectionFrame['line']): SectionFrame {
  return { frame: makeFrame(symbol), line, questionable: false, pc: false };
}
