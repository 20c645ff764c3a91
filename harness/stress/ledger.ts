/**
 * Reads the state of a kernel's detectors, such as lockdep, from files of the guest. Says whether the detectors could have
 * reported anything. Pure.
 */

import type { Ledger, LedgerReading } from '../records/ledger.ts';

/** The files of the guest from which the state of the kernel's detectors is read. */
export const ledgerFiles = {
  lockdepStats: '/proc/lockdep_stats',
  tainted: '/proc/sys/kernel/tainted',
  proveLocking: '/proc/sys/kernel/prove_locking',
} as const;

/** Reads the state of the kernel's detectors from the contents of these files. A file that does not exist is undefined. */
export function readLedger(
  files: Readonly<Record<keyof typeof ledgerFiles, string | undefined>>,
): LedgerReading {
  const tables: Record<string, { used: number; max: number }> = {};
  let debugLocks: number | null = null;
  for (const line of (files.lockdepStats ?? '').split('\n')) {
    const table = /^\s*([\w -]+?):\s+(\d+) \[max: (\d+)\]/.exec(line);
    if (table !== null) tables[table[1] ?? ''] = { used: Number(table[2]), max: Number(table[3]) };
    const alive = /^\s*debug_locks:\s+(\d+)/.exec(line);
    if (alive !== null) debugLocks = Number(alive[1]);
  }
  return {
    debugLocks,
    proveLocking: leadingNumber(files.proveLocking),
    tables,
    taint: leadingNumber(files.tainted),
  };
}

function leadingNumber(text: string | undefined): number | null {
  const digits = /^\d+/.exec(text ?? '');
  return digits === null ? null : Number(digits[0]);
}

/**
 * The taint flags that only a splat sets: D (die), B (bad page) and W (warning), as tainted-kernels.rst has them.
 * L, which a soft lockup sets, is left out: in 7.3 every fence of a sw_sync timeline sets L, because such fences
 * may deadlock (sw_sync_ioctl_create_fence()).
 */
const splatTaints = { B: 1 << 5, D: 1 << 7, W: 1 << 9 } as const;

/**
 * The reasons why lockdep could not have reported everything, from its state before or after a workload. `when` says which of the
 * two states `reading` is.
 */
function deadDetectors(reading: LedgerReading, when: 'before' | 'after'): readonly string[] {
  const dead: string[] = [];
  if (reading.debugLocks === null)
    dead.push('lockdep is not in this kernel (no debug_locks in /proc/lockdep_stats)');
  else if (reading.debugLocks !== 1) {
    dead.push(
      when === 'before'
        ? 'lockdep was off before the workload began (debug_locks: 0)'
        : 'lockdep is off (debug_locks: 0)',
    );
  }
  if (reading.proveLocking === 0) dead.push('lockdep proves nothing (kernel.prove_locking: 0)');
  for (const [name, { used, max }] of Object.entries(reading.tables)) {
    if (used >= max) dead.push(`lockdep's table of ${name} is full (${used} of ${max})`);
  }
  return dead;
}

/** A line for each taint flag of a splat (B, D or W) that appeared during a trial without a splat. */
function unexplainedTaint(before: LedgerReading, after: LedgerReading): readonly string[] {
  const added = (after.taint ?? 0) & ~(before.taint ?? 0);
  const letters = Object.entries(splatTaints).filter(([, bit]) => (added & bit) !== 0);
  return letters.map(
    ([letter]) => `the kernel became tainted (${letter}) without a splat on the console`,
  );
}

/**
 * Counts the lines of the kernel's log that never reached the console. `kmsg` is the text of /dev/kmsg, where a line is a record:
 *
 *     6,1534,7201945,-,caller=T51;oom_reaper: reaped process 51 (mrelease), now anon-rss:0kB
 *
 * The records from `MARKER begins` on are compared; when that record was overwritten, all records are. Returns null without a
 * record `MARKER ends`, because the log is then not from the end of this trial. Only the first line of a record is compared,
 * because consoles cut records with several lines at 1 KiB (CONSOLE_LOG_MAX, kernel/printk/printk.c).
 */
export function countLostLines(kmsg: string, consoleLog: string, marker: string): number | null {
  const records = kmsg
    .split('\n')
    .flatMap((line) => /^\d+,\d+,\d+,[^;]*;(.*)$/.exec(line)?.[1] ?? []);
  if (!records.some((text) => text.includes(`${marker} ends`))) return null;
  const first = Math.max(
    0,
    records.findIndex((text) => text.includes(`${marker} begins`)),
  );
  const printed = new Set(
    consoleLog.split(/\r*\n/).map((line) => line.replace(/^(?:\[[^\]]*\])+ /, '')),
  );
  const expected = records.slice(first).map((text) => unescapeKmsg(text).split('\n', 1)[0] ?? '');
  return expected.filter((text) => !printed.has(text)).length;
}

/** Decodes the form `\xNN`, in which /dev/kmsg writes non-printable bytes and backslashes (Documentation/ABI/testing/dev-kmsg). */
function unescapeKmsg(text: string): string {
  return text.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  );
}

/** Counts the messages that the kernel dropped, from its notices on the console. The caller pushes the console piece by piece. */
export interface DropCounter {
  readonly push: (bytes: Uint8Array) => void;
  readonly total: () => number;
}

const dropNotice = /\*\* (\d+) printk messages dropped \*\*/g;
const longestNotice = 64;

export function countDrops(): DropCounter {
  let total = 0;
  let carry = '';
  return {
    push: (bytes) => {
      const text = carry + Buffer.from(bytes).toString('latin1');
      let end = 0;
      for (const match of text.matchAll(dropNotice)) {
        total += Number(match[1]);
        end = match.index + match[0].length;
      }
      carry = text.slice(Math.max(end, text.length - longestNotice));
    },
    total: () => total,
  };
}

/** The facts about the kernel's detectors that a trial read before and after its workload. */
export interface LedgerEvidence {
  readonly before: LedgerReading;
  /** Null when the guest went away before the end of the trial. */
  readonly after: LedgerReading | null;
  readonly warnOnceArmed: boolean;
  /**
   * True for each of the two test messages of level info that the console showed: `begin` before the workload, `end`
   * after the workload.
   */
  readonly markersSeen: { readonly begin: boolean; readonly end: boolean };
  /** The kernel's whole log, as /dev/kmsg gives it; null when it was not read. */
  readonly kmsg: string | null;
  /** The last part of the console log, up to the point at which the kernel had printed its whole log. */
  readonly console: string;
  /** The number of messages that the kernel dropped, from its notices on the whole console. */
  readonly dropped: number;
  readonly marker: string;
  /** The reason why the trial did not look for memory leaks at its end. Absent when it looked, or did not need to. */
  readonly leaksUnseen?: string;
  /** True when this trial showed a splat. Then a taint flag that appeared during the trial needs no other explanation. */
  readonly spoke: boolean;
}

/**
 * The state of the kernel's detectors in a whole trial, with every reason why the kernel's silence in the trial
 * would prove nothing.
 */
export function closeLedger(evidence: LedgerEvidence): Ledger {
  const { before, after, warnOnceArmed, markersSeen } = evidence;
  const lost =
    evidence.kmsg === null
      ? null
      : countLostLines(evidence.kmsg, evidence.console, evidence.marker);
  const deadBefore = [
    ...deadDetectors(before, 'before'),
    ...reasons([[!warnOnceArmed, 'one-shot warnings could not be armed again (clear_warn_once)']]),
  ];
  const deadAfter =
    after === null
      ? []
      : [
          ...deadDetectors(after, 'after'),
          ...(evidence.spoke ? [] : unexplainedTaint(before, after)),
          ...(evidence.leaksUnseen === undefined ? [] : [evidence.leaksUnseen]),
        ];
  const incomplete =
    after === null
      ? []
      : reasons([
          [!markersSeen.begin, 'the console does not print messages of level info'],
          [markersSeen.begin && !markersSeen.end, 'the console no longer printed at the end'],
          [lost === null, "the kernel's own log could not be compared with the console"],
          [
            lost !== null && lost > 0,
            `${lost === 1 ? '1 line' : `${lost} lines`} of the kernel's log never reached the console`,
          ],
          [
            evidence.dropped > 0,
            `the kernel dropped ${evidence.dropped} messages before they were printed`,
          ],
        ]);
  return {
    before,
    after,
    warnOnceArmed,
    lostConsoleLines: lost,
    deadBefore,
    deadAfter,
    incomplete,
  };
}

function reasons(rows: readonly (readonly [boolean, string])[]): readonly string[] {
  return rows.filter(([dead]) => dead).map(([, reason]) => reason);
}
