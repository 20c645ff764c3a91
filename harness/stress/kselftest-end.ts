/** Reads what a selftest program of the kernel printed and how it ended. Returns its tests, and what its end means. Pure. */
import type { WorkloadEnd } from '../records/verdict.ts';
import { type KtapTest, readKtap } from './ktap-output.ts';
import { asSubtest, failureOf, type LeafTest, type TestReport } from './test-report.ts';

/**
 * The exit codes that count as a pass (tools/testing/selftests/kselftest.h). A program that skipped itself is not among them: its
 * end is already `skipped`.
 */
const exitCodes = { pass: 0, expectedFailure: 2 } as const;

/**
 * Reads the results of a selftest program of the kernel. A program that prints TAP has the tests that it printed. A program that
 * prints no TAP is one test, whose result is how the program ended. A program that printed TAP is a further test when it was
 * stopped or killed, or when it failed though none of its tests failed. The returned end is `skipped` when the program skipped
 * itself, or every test was skipped. Otherwise the end is `exit` with code 0, because the tests tell everything. When the guest is
 * lost or silent, `end` is returned unchanged and `failures` is empty.
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

/** The tests of the kernel's selftests that may fail on this kernel or in this guest. */
export interface SelftestExcuses {
  /**
   * The pattern for tests that need more memory than the guest has. When a test that matches fails, it counts as skipped.
   * Absent when the guest has enough memory for every test.
   */
  readonly tooLarge?: RegExp;
  /**
   * Patterns for tests that always fail on this kernel version. When a test that matches one of them fails, the failure is
   * expected. Absent when no test is known to fail.
   */
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

/**
 * The selftest program itself as a test, when it printed no tests or when its end says more than its tests do. Undefined otherwise,
 * and when the guest is lost or silent.
 */
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
