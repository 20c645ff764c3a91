import { printableLine } from '../printable.ts';
import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { Prepared } from './observe.ts';

/**
 * The exit code with which a program says that something it needs is missing, as kselftests do (KSFT_SKIP,
 * tools/testing/selftests/kselftest.h).
 */
const skipCode = 4;
/** The exit code of a program that read wrong contents from memory. The last line of its output is `corruption: WHAT`. */
const corruptedCode = 5;
/** The exit code of a program that found a leak in the kernel. The last line of its output is `leak: WHAT`. */
const leakedCode = 6;
const longestWhatChars = 120;

/**
 * Returns the end `skipped` for a workload that cannot run because the guest lacks what was requested. Returns undefined when the
 * workload can run. A canary can always run: its seeded bug needs nothing that a guest may lack.
 */
export function skippedIn(
  { lacks }: Pick<Prepared, 'lacks'>,
  { canary }: Pick<Workload, 'canary'>,
): WorkloadEnd | undefined {
  return lacks === undefined || canary !== undefined
    ? undefined
    : { kind: 'skipped', reason: lacks };
}

/**
 * Returns what the end of a workload's program means. The exit code and the last line of the output can make the end `skipped`,
 * `corrupted` or `leaked`. With `isOwn`, a program that still ran when its time was over is `stopped` and not `silent`: the guest
 * is alive, because it answered. Returns any other end unchanged.
 */
export function readProgramEnd(end: WorkloadEnd, lastWords: string, isOwn: boolean): WorkloadEnd {
  const lastLine = lastWords.trimEnd().split('\n').at(-1) ?? '';
  if (end.kind === 'exit' && end.code === skipCode) {
    const reason = lastLine.replace(/^skip: */i, '').trim();
    return { kind: 'skipped', reason: reason || 'it gave no reason' };
  }
  if (end.kind === 'exit' && end.code === corruptedCode) {
    const what = /^corruption: *(.+)$/i.exec(lastLine)?.[1];
    if (what !== undefined) return { kind: 'corrupted', what: plainWords(what) };
  }
  if (end.kind === 'exit' && end.code === leakedCode) {
    const what = /^leak: *(.+)$/i.exec(lastLine)?.[1];
    if (what !== undefined) return { kind: 'leaked', what: plainWords(what) };
  }
  return end.kind === 'silent' && isOwn ? { kind: 'stopped' } : end;
}

/**
 * Returns a program's text in a form for a splat's title: one line of at most 120 printable characters. Numbers become N, because
 * titles of different runs are compared.
 */
function plainWords(text: string): string {
  return printableLine(text)
    .replaceAll(/0x[0-9a-f]+|\d+/gi, 'N')
    .replaceAll(/ +/g, ' ')
    .slice(0, longestWhatChars);
}
