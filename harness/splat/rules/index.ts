import { faultRules } from './faults.ts';
import { hangRules } from './hangs.ts';
import { lockRules } from './locks.ts';
import { memoryRules } from './memory.ts';
import { panicRules } from './panics.ts';
import type { Rule } from './rule.ts';
import { warningRules } from './warnings.ts';

/** `WARNING:` also opens what boot code says about the configuration, the processor and the firmware. */
const statement = [
  String.raw`.*(?:mitigation|vulnerable|data leaks|mand mount|deprecat|obsolete|not (?:recommended|suitable)|performance)`,
  String.raw`.*(?:[Uu]nsupported|(?:does|do|is|are) not support|will be prohibited|command line|cmdline|[Pp]lease )`,
  String.raw`(?:CPU does not|kernel not compiled|SMP operation|(?:BIOS|firmware|F/W)\b|PCI clock|IDE timing|Ignoring|ignoring|Estimating|fbcon|Forcing|Unprivileged|polling idle)\b`,
  String.raw`(?:workqueue cpumask|(?:Bad|Corrupt).* \.orc_|'bootconfig'|x1-x3 nonzero|/etc/|Missing the following errata|Can't find|No board|Image loaded)`,
].join('|');

/** What fits no better row. */
const otherRules: readonly Rule[] = [
  {
    header: new RegExp(`^WARNING: (?!${statement})(?<text>\\S.*)`),
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
    header: /\bBUG: (?<text>\S.*)/,
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
