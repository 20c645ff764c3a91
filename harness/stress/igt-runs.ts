/** Reads the subtests from the output of several tests of IGT that ran in one guest, perhaps beside another workload. Pure. */
import type { Subtest, SubtestResult } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';
import type { IgtProgram } from './igt-end.ts';
import { expectSubtest } from './igt-expectations.ts';
import { readIgtOutput } from './igt-output.ts';
import type { TestReport } from './test-report.ts';

/** Test programs of IGT, each by the line that stands before its output: `IGT_FORCE_DRIVER=vkms /usr/libexec/.../kms_atomic`. */
export type IgtPrograms = ReadonlyMap<string, IgtProgram & { readonly driver: string }>;

const headLine = /^tools: (.+)$/m;
/** The results of a subtest from best to worst. When a subtest ran several times, its result that is last in this list counts. */
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
 * Reads the output of tests of IGT that ran one after the other in one guest. `failures` is empty: under memory pressure a call
 * may fail for want of memory, and a test may find what an earlier test left behind. So neither exit codes nor failed subtests
 * decide the verdict. A subtest that ran several times has its worst result. A subtest whose program was killed, for example by
 * the OOM killer, is `incomplete`, unless it passed in another run. The returned end is `exit` with code 0 when a subtest ran,
 * and `skipped` when none ran. When the guest is lost or silent, `end` is returned unchanged.
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
