import { faultRules } from './faults.ts';
import { hangRules } from './hangs.ts';
import { lockRules } from './locks.ts';
import { memoryRules } from './memory.ts';
import { panicRules } from './panics.ts';
import type { Rule } from './rule.ts';
import { warningRules } from './warnings.ts';

/** What fits no better row. */
const otherRules: readonly Rule[] = [
  {
    // Deprecations, hints at the hardware and the firmware begin so as well, and nothing follows them.
    header: /^WARNING: (?<text>\S+ \S+ \S.*)/,
    title: 'WARNING: {text}',
    fromKernel: true,
    needsReport: true,
    traceOptional: true,
  },
  {
    header: /^WARNING: (?<text>\S+(?: \S+)?)\s*$/,
    title: 'WARNING: {text}',
    oneLine: true,
    fromKernel: true,
  },
  {
    header: /\bBUG:\s*$/,
    title: 'BUG: corrupted',
    corrupted: 'the line breaks off',
    fromKernel: true,
  },
  {
    header: /^(?!.*\b(?:BIOS|[Ff]irmware|ACPI|vendor)\b).*?\bBUG: (?<text>\S.*)/,
    title: 'BUG: {text}',
    frame: { from: [] },
    fromKernel: true,
    traceOptional: true,
  },
];

const known: readonly Rule[] = [
  ...memoryRules,
  ...lockRules,
  ...hangRules,
  ...warningRules,
  ...faultRules,
  ...panicRules,
  ...otherRules,
];

/**
 * Every class splat knows, most particular first. Adding one is adding a row and a golden log. Where an event and a splat are on
 * one line, because two CPUs printed, the splat counts.
 */
export const rules: readonly Rule[] = [
  ...known.filter((rule) => !rule.event),
  ...known.filter((rule) => rule.event),
];
