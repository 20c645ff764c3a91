/** Reads what a KUnit suite printed and how its runner ended. Returns its cases, and what the end of the runner means. Pure. */
import type { WorkloadEnd } from '../records/verdict.ts';
import { type KtapTest, readKtap } from './ktap-output.ts';
import { asSubtest, failureOf, type LeafTest, type TestReport } from './test-report.ts';

/** The line that guests/minimal/kunit.c, which runs the suite, prints when the kernel's log lost lines. */
const overwritten = "kunit: the kernel's log was overwritten";

/**
 * Reads the results of one KUnit suite from the kernel's log, which its runner in the guest prints to stdout. A case is named
 * `drm_buddy.drm_test_buddy_alloc_limit`. A case with parameters gives a result `SUITE.CASE.PARAMETER` for each parameter. A test
 * that began and did not end is `timeout` when the time was over, and otherwise `incomplete`. A suite that never began is
 * `timeout` when the time was over, and `notrun` when the guest is lost or silent. An end `stopped` becomes `exit` with code 0.
 * The end becomes `skipped` when the runner ended with code 0 and no case ran.
 */
export function readKunitEnd(suite: string, stdout: string, end: WorkloadEnd): TestReport {
  const { tests, open } = readKtap(stdout);
  const whole = tests.findLast(({ name }) => name === suite);
  const leaves =
    whole === undefined ? [...openLeaves(suite, open), cutLeaf(suite, open, end)] : ended(whole);
  const hasBegun = whole !== undefined || open.some(({ name }) => name === suite);
  const isGone = end.kind === 'lost' || end.kind === 'silent';
  const never: readonly LeafTest[] = isGone ? [{ name: suite, result: 'notrun' }] : [];
  const seen = hasBegun || end.kind === 'stopped' ? leaves : never;
  const subtests = seen.map(asSubtest);
  return {
    subtests: end.kind === 'skipped' ? [] : subtests,
    // A guest that is lost or silent is reported by itself, and not again for each case.
    failures: isGone || end.kind === 'skipped' ? [] : seen.flatMap(failureOf),
    end: endOf(end, seen, whole, stdout.includes(overwritten)),
  };
}

type Open = ReturnType<typeof readKtap>['open'];

function ended(whole: KtapTest): readonly LeafTest[] {
  return leavesOf(whole, '');
}

/**
 * The tests that have no tests inside them, named by their path, such as `SUITE.CASE`. A test with tests inside it is added when it
 * has a bad result that no test inside it has, such as after a failed set-up.
 */
function leavesOf({ name, result, why, inside }: KtapTest, prefix: string): readonly LeafTest[] {
  const path = prefix === '' ? name : `${prefix}.${name}`;
  const leaves = inside.flatMap((one) => leavesOf(one, path));
  const told = leaves.some((leaf) => leaf.result === result);
  if (leaves.length > 0 && (told || result === 'pass' || result === 'skip')) return leaves;
  // A suite without cases ran nothing, so it is no test. Only a failure of the suite is kept.
  if (prefix === '' && result !== 'fail') return leaves;
  return [...leaves, { name: path, result, ...(why === undefined ? {} : { why }) }];
}

function openLeaves(suite: string, open: Open): readonly LeafTest[] {
  const at = open.findIndex(({ name }) => name === suite);
  if (at < 0) return [];
  return open.slice(at).flatMap(({ inside }, depth, all) => {
    const path = all.slice(0, depth + 1).map(({ name }) => name);
    return inside.flatMap((one) => leavesOf(one, path.join('.')));
  });
}

function cutLeaf(suite: string, open: Open, end: WorkloadEnd): LeafTest {
  const at = open.findIndex(({ name }) => name === suite);
  const path = at < 0 ? [suite] : open.slice(at).map(({ name }) => name);
  return { name: path.join('.'), result: end.kind === 'stopped' ? 'timeout' : 'incomplete' };
}

function endOf(
  end: WorkloadEnd,
  leaves: readonly LeafTest[],
  whole: KtapTest | undefined,
  isOverwritten: boolean,
): WorkloadEnd {
  if (end.kind === 'stopped') return { kind: 'exit', code: 0 };
  if (end.kind !== 'exit' || end.code !== 0) return end;
  if (leaves.some(({ result }) => result !== 'skip')) return end;
  const first = leaves.find(({ why }) => why !== undefined)?.why ?? whole?.why;
  if (leaves.length > 0) {
    return { kind: 'skipped', reason: first ?? 'every case of the suite was skipped' };
  }
  const lost = "its results are not in the kernel's log, of which lines were overwritten";
  const none = 'the suite has no case that could run';
  return { kind: 'skipped', reason: isOverwritten ? lost : (first ?? none) };
}
