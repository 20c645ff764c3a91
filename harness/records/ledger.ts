import * as v from 'valibot';
import { described, type Recorded, texts } from './schema.ts';

/** One reading of the detectors' health. A value that the kernel does not have is null. */
export const ledgerReadingSchema = v.object({
  debugLocks: described(
    v.nullable(v.number()),
    '1 while lockdep works; it turns itself off at its first splat (Documentation/locking/lockdep-design.rst).',
  ),
  proveLocking: described(
    v.nullable(v.number()),
    '0 when lockdep was told not to prove anything (kernel.prove_locking; kernel/locking/lockdep.c); it stays "on".',
  ),
  tables: described(
    v.record(v.string(), v.object({ used: v.number(), max: v.number() })),
    "Use and size of lockdep's tables, by the names of /proc/lockdep_stats.",
  ),
  taint: described(
    v.nullable(v.number()),
    'Bit mask of Documentation/admin-guide/tainted-kernels.rst.',
  ),
});

/** The detectors' health before and after a trial. */
export const ledgerSchema = v.object({
  before: ledgerReadingSchema,
  after: described(
    v.nullable(ledgerReadingSchema),
    'Null when the guest went away before its end.',
  ),
  warnOnceArmed: described(
    v.boolean(),
    'The one-shot warnings were armed again before the workload (clear_warn_once).',
  ),
  lostConsoleLines: described(
    v.nullable(v.number()),
    "Lines of the kernel's log that never came out of the console; null when that could not be compared.",
  ),
  deadBefore: described(texts, 'Why a detector could not have spoken before the workload.'),
  deadAfter: described(texts, 'Why a detector could not have spoken at the end.'),
  incomplete: described(texts, 'Why the console may not carry everything the kernel said.'),
});

export type LedgerReading = Recorded<typeof ledgerReadingSchema>;
export type Ledger = Recorded<typeof ledgerSchema>;
