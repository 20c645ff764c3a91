/**
 * Reads how a test program of IGT, the GPU test suite, ended and what it printed. Returns its subtests, and what its end means.
 * Pure.
 */
import type { Subtest } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';
import { type Expectations, expectSubtest, unexpectedFailures } from './igt-expectations.ts';
import { readIgtOutput } from './igt-output.ts';
import type { TestReport } from './test-report.ts';

/** A test program of IGT, the GPU test suite, that a trial runs. */
export interface IgtProgram {
  readonly test: string;
  /** The subtests that are to run; empty for a test that has no subtests. */
  readonly subtests: readonly string[];
  readonly expectations: Expectations;
}

/** Exit codes of a test program (igt_core.h). */
const exitCodes = { success: 0, skip: 77, invalid: 79, failure: 98, abort: 112 } as const;
/** A shell and IGT report death by signal N as the exit code 128 + N. */
const signalBase = 128;
const signalNames: Readonly<Record<number, string>> = {
  4: 'SIGILL, an instruction that this CPU does not have',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
};

/**
 * Reads what a test program of IGT printed. A subtest that still ran at the end has the result `crash` when the program died,
 * `timeout` when the time was over, and `incomplete` when the guest was lost or fell silent. Subtests that had not begun by then
 * have `notrun`. `failures` has a line for each unexpected failure. The returned end is `exit` with code 0 when the program died,
 * ran out of time, or failed because a subtest failed: the subtests show this. The returned end is `skipped` when all subtests were
 * skipped. Any other `end` is returned unchanged. When the guest is lost or silent, `failures` is empty.
 */
export function readIgtEnd(program: IgtProgram, stdout: string, end: WorkloadEnd): TestReport {
  const { test, expectations } = program;
  const output = readIgtOutput(test, stdout);
  const died = deathOf(end);
  const stopped = end.kind === 'stopped';
  const cut = died !== undefined || stopped || end.kind === 'lost' || end.kind === 'silent';
  const seen: Subtest[] = [...output.subtests];
  if (cut && (output.running !== undefined || seen.length === 0)) {
    const result = stopped ? 'timeout' : died === undefined ? 'incomplete' : 'crash';
    seen.push({ name: output.running ?? test, result });
  }
  const subtests = [...seen, ...(cut ? notRun(program, seen) : [])].map((subtest) =>
    expectSubtest(subtest, expectations),
  );
  // A guest that is lost or silent is reported by itself, and not again for each subtest.
  const failures =
    end.kind === 'lost' || end.kind === 'silent'
      ? []
      : unexpectedFailures(subtests).map((text) => withDeath(text, died));
  return { subtests, failures, end: endOf(end, subtests, output.whySkipped) };
}

function deathOf(end: WorkloadEnd): number | undefined {
  if (end.kind === 'signal') return end.signal;
  return end.kind === 'exit' && end.code > signalBase ? end.code - signalBase : undefined;
}

function withDeath(text: string, signal: number | undefined): string {
  if (signal === undefined || !text.endsWith(': crash')) return text;
  return `${text} (${signalNames[signal] ?? `signal ${signal}`})`;
}

function notRun({ test, subtests }: IgtProgram, seen: readonly Subtest[]): readonly Subtest[] {
  const began = new Set(seen.map(({ name }) => name.split('@').slice(0, 2).join('@')));
  return subtests
    .map((name) => `${test}@${name}`)
    .filter((name) => !began.has(name))
    .map((name) => ({ name, result: 'notrun' }));
}

function endOf(
  end: WorkloadEnd,
  subtests: readonly Subtest[],
  whySkipped: string | undefined,
): WorkloadEnd {
  const orderly: WorkloadEnd = { kind: 'exit', code: exitCodes.success };
  if (end.kind === 'stopped' || deathOf(end) !== undefined) return orderly;
  if (end.kind !== 'exit') return end;
  const skipped = subtests.length > 0 && subtests.every(({ result }) => result === 'skip');
  if (end.code === exitCodes.skip || (skipped && end.code === exitCodes.success)) {
    const reason = whySkipped ?? 'every subtest was skipped';
    return subtests.some(({ result }) => result !== 'skip') ? orderly : { kind: 'skipped', reason };
  }
  const told = subtests.some(({ result }) => result === 'fail' || result === 'crash');
  return end.code === exitCodes.failure && told ? orderly : end;
}
