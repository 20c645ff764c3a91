import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { Prepared } from './observe.ts';

/** Exit code 4 of a kselftest (KSFT_SKIP, tools/testing/selftests/kselftest.h): a precondition is missing. */
const skipCode = 4;
/** The exit code of a program that read a wrong word from memory; its last line is `corruption: WHAT`. */
const corruptedCode = 5;
/** The exit code of a program that found a leak of the kernel; its last line is `leak: WHAT`. */
const leakedCode = 6;
const longestWhatChars = 120;

/** The end of a workload that cannot run because the guest lacks something that was requested; undefined when it can run. Seeded bugs need nothing that a guest may lack. */
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

/** Cleans the text for a title, which is compared between runs and printed: numbers differ, and the guest is not trusted. */
function plainWords(text: string): string {
  return text
    .replaceAll(/[^ -~]+/g, ' ')
    .replaceAll(/0x[0-9a-f]+|\d+/gi, 'N')
    .replaceAll(/ +/g, ' ')
    .trim()
    .slice(0, longestWhatChars);
}
