import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { Prepared } from './observe.ts';

/** Exit code 4 of a kselftest (KSFT_SKIP, tools/testing/selftests/kselftest.h): a precondition is missing. */
const skipCode = 4;
/** Of a program that found a wrong word where it had written another; its last line is `corruption: WHAT`. */
const corruptedCode = 5;
/** Of a program that found something that the kernel kept; its last line is `leak: WHAT`. */
const leakedCode = 6;
const longestWhatChars = 120;

/** The end of a workload whose guest lacks what it was asked to have. The seeded bugs need nothing that a guest may lack. */
export function skippedIn(
  { lacks }: Pick<Prepared, 'lacks'>,
  { canary }: Pick<Workload, 'canary'>,
): WorkloadEnd | undefined {
  return lacks === undefined || canary !== undefined
    ? undefined
    : { kind: 'skipped', reason: lacks };
}

/**
 * What a program's end means, by its exit code and the last line of its output. One of the user's may run until it is
 * stopped: the agent answered, so the guest is alive.
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

/** A title is compared between runs, and printed: numbers differ, and a guest may say anything. */
function plainWords(text: string): string {
  return text
    .replaceAll(/[^ -~]+/g, ' ')
    .replaceAll(/0x[0-9a-f]+|\d+/gi, 'N')
    .replaceAll(/ +/g, ' ')
    .trim()
    .slice(0, longestWhatChars);
}
