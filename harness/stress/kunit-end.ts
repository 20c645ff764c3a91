/** What a KUnit suite printed, and how its runner ended -> its cases, and what its end means. Pure. */
import type { WorkloadEnd } from '../records/verdict.ts';
import { type KtapTest, readKtap } from './ktap-output.ts';
import { asSubtest, failureOf, type LeafTest, type TestReport } from './test-report.ts';

/** A message of guests/minimal/kunit.c. */
const overwritten = "kunit: the kernel's log was overwritten";

/**
 * Reads the results of one suite from the stdout of its runner, which is the kernel's log. A case is named
 * `drm_buddy.drm_test_buddy_alloc_limit`; a case with parameters gives one `SUITE.CASE.PARAMETER` for each of them. The innermost
 * test that began and did not end has the result `timeout` when the time was over, and otherwise `incomplete`. A suite that never
 * began is `notrun` when the guest went away or fell silent, and `timeout` when the time was over. The end `stopped` becomes
 * `exit` with code 0. When the runner ended well and no case ran, the end becomes `skipped`.
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
    // A guest that does not answer is a finding of its own.
    failures: isGone || end.kind === 'skipped' ? [] : seen.flatMap(failureOf),
    end: endOf(end, seen, whole, stdout.includes(overwritten)),
  };
}

type Open = ReturnType<typeof readKtap>['open'];

function ended(whole: KtapTest): readonly LeafTest[] {
  return leavesOf(whole, '');
}

/**
 * The tests without tests inside them, each by its path. A test whose own result is none of theirs, such as a failed set-up,
 * counts as well, unless it passed or was skipped.
 */
function leavesOf({ name, result, why, inside }: KtapTest, prefix: string): readonly LeafTest[] {
  const path = prefix === '' ? name : `${prefix}.${name}`;
  const leaves = inside.flatMap((one) => leavesOf(one, path));
  const told = leaves.some((leaf) => leaf.result === result);
  if (leaves.length > 0 && (told || result === 'pass' || result === 'skip')) return leaves;
  // A suite without cases has run nothing.
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
