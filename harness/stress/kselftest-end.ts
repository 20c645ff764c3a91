/** What a program of kselftest printed, and how it ended -> its tests, and what its end means. Pure. */
import type { WorkloadEnd } from '../records/verdict.ts';
import { type KtapTest, readKtap } from './ktap-output.ts';
import { asSubtest, failureOf, type LeafTest, type TestReport } from './test-report.ts';

/** The good exit codes (tools/testing/selftests/kselftest.h). A skip has become the end `skipped` before. */
const exitCodes = { pass: 0, expectedFailure: 2 } as const;

/**
 * Reads the results of a program. A program that prints no TAP is one test, whose result is how the program ended. A program that
 * prints TAP has the tests that it printed. It counts as a further test when its end says more than its tests do: it was stopped
 * or killed, or it failed though none of its tests did. The end is `skipped` when the program skipped itself or every test was
 * skipped. Otherwise it is `exit` with code 0, because the tests tell everything. When the guest does not answer or is gone,
 * `end` is returned unchanged and `failures` is empty.
 */
export function readKselftestEnd(
  program: string,
  stdout: string,
  end: WorkloadEnd,
  excuses: SelftestExcuses = {},
): TestReport {
  const leaves = readKtap(stdout)
    .tests.flatMap((test) => leavesOf(test, program))
    .map((leaf) => excuse(leaf, excuses));
  const skips = leaves.filter(({ result }) => result === 'skip');
  const isAllSkipped = leaves.length > 0 && skips.length === leaves.length;
  const subtests = leaves.map(asSubtest);
  if (end.kind === 'skipped') {
    const reason = skips.find(({ why }) => why !== undefined)?.why ?? end.reason;
    return { subtests, failures: [], end: { kind: 'skipped', reason } };
  }
  if (end.kind === 'lost' || end.kind === 'silent') return { subtests, failures: [], end };
  const own = ownResult(program, leaves, end, excuses);
  const all = own === undefined ? leaves : [...leaves, own];
  const orderly: WorkloadEnd = { kind: 'exit', code: exitCodes.pass };
  const why = skips.find((skip) => skip.why !== undefined)?.why ?? 'every test was skipped';
  return {
    subtests: all.map(asSubtest),
    failures: all.flatMap(failureOf),
    end: isAllSkipped && own === undefined ? { kind: 'skipped', reason: why } : orderly,
  };
}

/** Reasons for which a test may fail on a kernel or in a guest. */
export interface SelftestExcuses {
  /** Matches the names of tests that need more memory than the guest has: their failure counts as a skip. Absent: none. */
  readonly tooLarge?: RegExp;
  /** Match the names of tests that are known to fail on this version: their failure is expected. Absent: none. */
  readonly known?: readonly RegExp[];
}

const tooSmall = 'the guest has too little memory';

function excuse(leaf: LeafTest, { tooLarge, known = [] }: SelftestExcuses): LeafTest {
  if (leaf.result !== 'fail') return leaf;
  if (tooLarge?.test(leaf.name) === true) {
    return { ...leaf, result: 'skip', why: tooSmall };
  }
  return known.some((one) => one.test(leaf.name)) ? { ...leaf, expected: 'fail' } : leaf;
}

function leavesOf({ name, result, why, inside }: KtapTest, prefix: string): readonly LeafTest[] {
  const path = `${prefix}.${name}`;
  if (inside.length > 0) return inside.flatMap((one) => leavesOf(one, path));
  return [{ name: path, result, ...(why === undefined ? {} : { why }) }];
}

/** The program as a test of its own: when it printed no tests, and when its end says more than its tests do. */
function ownResult(
  program: string,
  leaves: readonly LeafTest[],
  end: WorkloadEnd,
  excuses: SelftestExcuses,
): LeafTest | undefined {
  if (end.kind === 'stopped') return { name: program, result: 'timeout' };
  if (end.kind === 'signal') {
    return { name: program, result: 'crash', why: `signal ${end.signal}` };
  }
  if (end.kind !== 'exit') return undefined;
  const isGood = end.code === exitCodes.pass || end.code === exitCodes.expectedFailure;
  if (isGood) return leaves.length === 0 ? { name: program, result: 'pass' } : undefined;
  const isTold = leaves.some(
    ({ result, why }) => result === 'fail' || result === 'timeout' || why === tooSmall,
  );
  const failed: LeafTest = { name: program, result: 'fail', why: `exit code ${end.code}` };
  return isTold ? undefined : excuse(failed, excuses);
}
