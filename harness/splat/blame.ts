import type { Section, SectionFrame } from './body.ts';
import { makeFrame } from './frames.ts';
import type { FrameRule } from './rules/rule.ts';
import { hangBuckets, hangSkip, neverBlamed, stallAnchors } from './skip-lists.ts';

/** Who is blamed: the name for the title, the frame it came from, and those passed over on the way. */
export interface Blame {
  readonly name: string;
  readonly frame?: SectionFrame;
  readonly passed: readonly SectionFrame[];
}

function passes(rule: FrameRule, name: string): boolean {
  if (rule.keep?.test(name)) return true;
  return !neverBlamed.test(name) && !rule.skip?.test(name);
}

function first(rule: FrameRule, frames: readonly SectionFrame[]): Blame | undefined {
  const at = frames.findIndex((entry) => passes(rule, entry.frame.function));
  const frame = frames[at];
  return frame && { name: frame.frame.function, frame, passed: frames.slice(0, at) };
}

function stalled(frames: readonly SectionFrame[]): Blame | undefined {
  const at = frames.findIndex((entry) => stallAnchors.test(entry.frame.function));
  const frame = frames[at > 0 ? at - 1 : 0];
  return at >= 0 && frame
    ? { name: frame.frame.function, frame, passed: frames.slice(0, at - 1) }
    : undefined;
}

function hung(frames: readonly SectionFrame[]): Blame | undefined {
  for (const frame of frames) {
    const bucket = hangBuckets.find(([pattern]) => pattern.test(frame.frame.function));
    if (bucket) return { name: bucket[1], frame, passed: [] };
  }
  const at = frames.findIndex((entry) => !hangSkip.test(entry.frame.function));
  const frame = frames[at];
  return frame && { name: frame.frame.function, frame, passed: frames.slice(0, at) };
}

const pickers = {
  first,
  stall: (_: FrameRule, f: readonly SectionFrame[]) => stalled(f),
  hang: (_: FrameRule, f: readonly SectionFrame[]) => hung(f),
};

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
    const pc = head?.frames.find((entry) => entry.pc);
    if (pc) lead.push(pc);
  }
  if (rule.from.includes('trace')) {
    const bare = head?.frames.filter((entry) => !entry.pc) ?? [];
    if (bare.length > 0) lists.push(bare);
    for (const section of rest) {
      if (section.kind === 'trace' && section.frames.length > 0) lists.push(section.frames);
    }
  }
  if (lead.length > 0) lists[0] = [...lead, ...(lists[0] ?? [])];
  return lists;
}

/** The guilty frame of a report, or undefined when all candidates are skipped or none is left. */
export function findBlame(
  rule: FrameRule,
  sections: readonly Section[],
  named: readonly SectionFrame[],
  trustQuestionable: boolean,
): Blame | undefined {
  for (const frames of candidates(rule, sections, named)) {
    const usable = frames.filter((entry) => trustQuestionable || !entry.questionable);
    const blame = pickers[rule.pick ?? 'first'](rule, usable);
    if (blame) return blame;
  }
  return undefined;
}

/** The frame a header or detail line names by itself. */
export function namedFrame(symbol: string, line: SectionFrame['line']): SectionFrame {
  return { frame: makeFrame(symbol), line, questionable: false, pc: false };
}
