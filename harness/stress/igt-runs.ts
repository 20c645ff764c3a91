/** What tests of IGT printed that shared a guest, with each other or with another workload -> their subtests. Pure. */
import type { Subtest, SubtestResult } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';
import type { IgtProgram } from './igt-end.ts';
import { expectSubtest } from './igt-expectations.ts';
import { readIgtOutput } from './igt-output.ts';
import type { TestReport } from './test-report.ts';

/** The programs by the line that is printed before their output, such as `IGT_FORCE_DRIVER=vkms /usr/libexec/.../kms_atomic`. */
export type IgtPrograms = ReadonlyMap<string, IgtProgram & { readonly driver: string }>;

const headLine = /^tools: (.+)$/m;
/** The order of results: of several runs of a subtest, the result counts that comes last here. */
const order: readonly SubtestResult[] = [
  'notrun',
  'skip',
  'incomplete',
  'pass',
  'timeout',
  'fail',
  'crash',
];

/**
 * Reads the output of programs that ran one after the other. Neither exit codes of programs nor failed subtests decide the
 * verdict: under memory pressure a call may fail for want of memory, and a test may find what an earlier test left behind. So
 * `failures` is empty. A subtest that ran several times has its worst result (`order`). A subtest whose program was killed, for
 * example by the OOM killer, is `incomplete`; a run in which it passed counts for more. The end is `skipped` when no subtest ran,
 * and `exit` with code 0 when at least one ran. The end of a guest that is lost or silent is returned unchanged.
 */
export function readIgtRuns(programs: IgtPrograms, stdout: string, end: WorkloadEnd): TestReport {
  const [, ...parts] = stdout.split(headLine);
  const worst = new Map<string, Subtest>();
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const program = programs.get(parts[at] ?? '');
    if (program === undefined) continue;
    const isLast = at + 2 >= parts.length;
    for (const subtest of readRun(program, parts[at + 1] ?? '', isLast && end.kind === 'stopped')) {
      const before = worst.get(subtest.name);
      const isWorse = order.indexOf(subtest.result) > order.indexOf(before?.result ?? 'notrun');
      if (before === undefined || isWorse) worst.set(subtest.name, subtest);
    }
  }
  const subtests = [...worst.values()];
  const anyRan = subtests.some(({ result }) => result !== 'skip');
  const over: WorkloadEnd = { kind: 'exit', code: 0 };
  const skipped: WorkloadEnd = { kind: 'skipped', reason: 'every subtest was skipped' };
  const isOrderly = end.kind === 'exit' || end.kind === 'stopped' || end.kind === 'signal';
  return { subtests, failures: [], end: isOrderly ? (anyRan ? over : skipped) : end };
}

function readRun(
  program: IgtProgram & { readonly driver: string },
  stdout: string,
  isCut: boolean,
): readonly Subtest[] {
  const { test, driver, expectations } = program;
  const { subtests, running } = readIgtOutput(test, stdout);
  const open: readonly Subtest[] =
    running === undefined ? [] : [{ name: running, result: isCut ? 'timeout' : 'incomplete' }];
  return [...subtests, ...open]
    .map((subtest) => expectSubtest(subtest, expectations))
    .map((subtest) => ({
      ...subtest,
      name: driver === 'none' ? subtest.name : `${driver}/${subtest.name}`,
    }));
}
