import * as v from 'valibot';
import { described, type Recorded, texts } from './schema.ts';

/** The content of a lockdep report as data (Documentation/locking/lockdep-design.rst). */

/** A call site, such as `rtnl_lock+0x17/0x20`. */
export const lockSiteSchema = v.object({
  function: described(v.string(), 'Without compiler suffixes.'),
  symbol: v.string(),
  offset: v.exactOptional(v.number()),
  size: v.exactOptional(v.number()),
});

const usageMarkSchema = v.object({
  usage: described(v.string(), '`IN-HARDIRQ-W`, `HARDIRQ-ON-W`, `INITIAL USE` ...'),
  stack: described(v.array(lockSiteSchema), 'What did it.'),
});

/** A lock class as it is printed, such as `(&xt[i].mutex){+.+.}-{3:3}`. */
const lockClassSchema = v.object({
  name: described(
    v.string(),
    '`&xt[i].mutex`; `/1` is a nesting level, `#2` tells classes of one name apart within a boot.',
  ),
  usage: v.exactOptional(
    described(
      v.string(),
      'A character each for hardirq, hardirq-read, softirq, softirq-read: `.` `-` `+` `?`.',
    ),
  ),
  waitTypes: v.exactOptional(
    described(v.string(), 'Outer and inner wait type, `3:3` (Linux 5.7 and later).'),
  ),
  marks: v.array(usageMarkSchema),
});

/** A lock that a task holds or wants. */
const lockHoldingSchema = v.object({
  lock: v.string(),
  role: v.picklist(['wanted', 'held', 'listed']),
  site: v.exactOptional(lockSiteSchema),
  task: v.exactOptional(described(v.string(), '`comm/pid`')),
});

/** A dependency: `lock` was acquired while `holding` was held, at `stack`. */
const lockEdgeSchema = v.object({
  holding: v.string(),
  lock: v.string(),
  stack: v.array(lockSiteSchema),
});

const lockReportKindSchema = v.picklist([
  'circular',
  'recursive',
  'irq-inversion',
  'inconsistent',
  'wait-context',
  'unbalanced',
  'other',
]);

export const lockGraphSchema = v.object({
  kind: lockReportKindSchema,
  classes: v.array(lockClassSchema),
  holdings: v.array(lockHoldingSchema),
  edges: v.array(lockEdgeSchema),
  cycle: described(
    texts,
    'The classes of the cycle, canonical names in canonical rotation; for an inconsistency the class and its two usages.',
  ),
  signature: described(
    v.string(),
    'Equal for one bug whichever thread closed the cycle and whichever lock the report starts from.',
  ),
});

export type LockSite = Recorded<typeof lockSiteSchema>;
export type UsageMark = Recorded<typeof usageMarkSchema>;
export type LockClass = Recorded<typeof lockClassSchema>;
export type LockHolding = Recorded<typeof lockHoldingSchema>;
export type LockEdge = Recorded<typeof lockEdgeSchema>;
export type LockReportKind = Recorded<typeof lockReportKindSchema>;
export type LockGraph = Recorded<typeof lockGraphSchema>;
