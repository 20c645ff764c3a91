/** Reads the subtests from what a test program of IGT, the GPU test suite, printed. Pure. */
import type { Subtest, SubtestResult } from '../records/subtest.ts';

/** The words that IGT prints for results (igt_core.c, subtest_result and igt_exit). */
const results: Readonly<Record<string, SubtestResult>> = {
  SUCCESS: 'pass',
  SKIP: 'skip',
  FAIL: 'fail',
  CRASH: 'crash',
  TIMEOUT: 'timeout',
  ABORT: 'crash',
};

/** The results that were read from the stdout of a test program. */
export interface IgtOutput {
  /** The subtests and dynamic subtests in the order in which they ended; for a test without subtests, the test itself. */
  readonly subtests: readonly Subtest[];
  /** The full name of the subtest that began and did not end, or of the dynamic subtest in it; absent when all ended. */
  readonly running?: string;
  /** The first requirement that was not met, from its line `Test requirement: ...`; absent when there is no such line. */
  readonly whySkipped?: string;
}

const subtestLine =
  /^(Starting dynamic subtest|Starting subtest|Dynamic subtest|Subtest):? ([\w.+:-]+?)(?:: ([A-Z]+) \(|$)/;
const wholeLine = /^(SUCCESS|SKIP|FAIL|CRASH|TIMEOUT) \(\d/;
const requirementLine = /^Test requirement: *(.*)$/;

/**
 * Reads the output of the test `test`: lines of the forms
 *
 *     Starting subtest: basic
 *
 *     Starting dynamic subtest: pipe-A
 *
 *     Dynamic subtest pipe-A: SUCCESS (0.102s)
 *
 *     Subtest basic: FAIL (0.110s)
 *
 *     SUCCESS (0.001s)
 *
 * and `Test requirement: ...`; other lines are ignored. A dynamic subtest is named below its subtest: `kms_flip@basic@pipe-a`.
 */
export function readIgtOutput(test: string, stdout: string): IgtOutput {
  const reading: Reading = { test, subtests: [] };
  for (const line of stdout.split('\n')) readLine(line, reading);
  const { subtests, subtest, dynamic, whole, whySkipped } = reading;
  if (subtests.length === 0 && subtest === undefined && whole !== undefined) {
    subtests.push({ name: test, result: whole });
  }
  return {
    subtests,
    ...(subtest === undefined ? {} : { running: nameOf(reading, dynamic) }),
    ...(whySkipped === undefined ? {} : { whySkipped }),
  };
}

/** The results that have been read so far. */
interface Reading {
  readonly test: string;
  readonly subtests: Subtest[];
  /** The subtest that began and did not end; `dynamic` is the dynamic subtest that runs inside it. */
  subtest?: string | undefined;
  dynamic?: string | undefined;
  /** The result of a test without subtests. */
  whole?: SubtestResult | undefined;
  whySkipped?: string | undefined;
}

function nameOf({ test, subtest }: Reading, inner: string | undefined): string {
  return [test, subtest, inner].filter((part) => part !== undefined).join('@');
}

function readLine(line: string, reading: Reading): void {
  const [, head = '', name = '', word = ''] = subtestLine.exec(line) ?? [];
  const result = results[word];
  switch (head) {
    case 'Starting subtest':
      [reading.subtest, reading.dynamic] = [name, undefined];
      return;
    case 'Starting dynamic subtest':
      reading.dynamic = name;
      return;
    case 'Dynamic subtest':
      if (result !== undefined) reading.subtests.push({ name: nameOf(reading, name), result });
      reading.dynamic = undefined;
      return;
    case 'Subtest':
      if (result === undefined) return;
      reading.subtests.push({ name: `${reading.test}@${name}`, result });
      [reading.subtest, reading.dynamic] = [undefined, undefined];
      return;
    default:
      readOther(line, reading);
  }
}

function readOther(line: string, reading: Reading): void {
  reading.whole = results[wholeLine.exec(line)?.[1] ?? ''] ?? reading.whole;
  reading.whySkipped ??= requirementLine.exec(line)?.[1];
}
