import { faultRules } from './faults.ts';
import { gpuRules } from './gpus.ts';
import { hangRules } from './hangs.ts';
import { lockRules } from './locks.ts';
import { memoryRules } from './memory.ts';
import { panicRules } from './panics.ts';
import type { Rule } from './rule.ts';
import { warningRules } from './warnings.ts';

/** Rules for headers that fit no more particular rule. */
const otherRules: readonly Rule[] = [
  {
    // Notices about deprecation, hardware or firmware begin with the same word, but no lines of a report follow such a notice.
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
    // bad_page() and the reports of a bad page map count the messages that they left out:
    // `BUG: Bad page state: 12 messages suppressed`.
    header:
      /^(?!.*\b(?:BIOS|[Ff]irmware|ACPI|vendor|\d+ messages suppressed)\b).*?\bBUG: (?<text>\S.*)/,
    title: 'BUG: {text}',
    frame: { from: [] },
    fromKernel: true,
    mayBeMessage: true,
    traceOptional: true,
  },
];

const known: readonly Rule[] = [
  ...memoryRules,
  ...lockRules,
  ...hangRules,
  ...gpuRules,
  ...warningRules,
  ...faultRules,
  ...panicRules,
  ...otherRules,
];

/**
 * All rules, one row for every class of splats. More particular rules come first. Events come last: when two CPUs printed an event
 * and a splat on one line, the splat counts. To add a class, add a row and a console log with the expected title.
 */
export const rules: readonly Rule[] = [
  ...known.filter((rule) => !rule.event),
  ...known.filter((rule) => rule.event),
];
