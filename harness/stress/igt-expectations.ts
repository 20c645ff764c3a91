/**
 * The results that IGT's subtests are expected to have, read from files in the format of drm-ci (drivers/gpu/drm/ci/xfails). Pure.
 */
import type { Subtest, SubtestResult } from '../records/subtest.ts';

/**
 * A file that says which subtests of IGT are expected to fail (`fails`), to fail now and then (`flakes`), or not to be run
 * (`skips`).
 */
export interface ExpectationFile {
  /** The file's path, as error messages print it. */
  readonly path: string;
  readonly kind: 'fails' | 'flakes' | 'skips';
  readonly text: string;
}

/** The expected results of IGT's subtests with one GPU driver on one kernel version. */
export interface Expectations {
  /** The expected results of subtests that need not pass, by their full name (`test@subtest`). */
  readonly fails: ReadonlyMap<string, ReadonlySet<SubtestResult>>;
  /** Patterns for the names of subtests that may pass or fail. */
  readonly flakes: readonly RegExp[];
  /** Patterns for the names of subtests that are not run. */
  readonly skips: readonly RegExp[];
}

/**
 * The first line of a file of expectations that cannot be read. `problem` says what is wrong, after the file's path and the
 * number of the line.
 */
export interface BadLine {
  readonly problem: string;
}

const words: Readonly<Record<string, SubtestResult>> = {
  Fail: 'fail',
  Crash: 'crash',
  Timeout: 'timeout',
  Skip: 'skip',
  Pass: 'pass',
};

/**
 * A line such as `# linux: from 6.5, before 6.12`. The lines after it, up to the next empty line, hold for these kernel versions
 * only. `from` or `before` may be absent. Other readers of the format take the line for a comment.
 */
const rangeLine = /^#\s*linux:\s*(?:from (\d+)\.(\d+))?,?\s*(?:before (\d+)\.(\d+))?\s*$/;

/**
 * Reads the files of expectations for one GPU driver, and keeps the lines that hold for this kernel version. Returns a `BadLine` at
 * the first line that cannot be read. A line of a `fails` file is `test@subtest,Fail`; other results are Crash, Timeout, Skip and
 * Pass. A line of another file is a regular expression that is searched for in a subtest's name. A line that begins with `#` is a
 * comment. A comment such as `# linux: from 6.5` limits the lines after it, up to the next empty line.
 */
export function readExpectations(
  files: readonly ExpectationFile[],
  version: readonly number[],
): Expectations | BadLine {
  const fails = new Map<string, Set<SubtestResult>>();
  const flakes: RegExp[] = [];
  const skips: RegExp[] = [];
  for (const { path, kind, text } of files) {
    for (const { line, number } of linesFor(text, version)) {
      const bad = (why: string): BadLine => ({ problem: `${path}:${number}: ${why}` });
      if (kind === 'fails') {
        const [name = '', word = '', ...rest] = line.split(',').map((part) => part.trim());
        const result = words[word];
        if (name === '' || rest.length > 0 || result === undefined) {
          return bad(
            `${JSON.stringify(line)} is not test@subtest,Result with a Result of ${Object.keys(words).join(', ')}`,
          );
        }
        fails.set(name, (fails.get(name) ?? new Set()).add(result));
        continue;
      }
      const pattern = patternOf(line);
      if (pattern === undefined) return bad(`${JSON.stringify(line)} is no regular expression`);
      (kind === 'flakes' ? flakes : skips).push(pattern);
    }
  }
  return { fails, flakes, skips };
}

function linesFor(
  text: string,
  version: readonly number[],
): readonly { readonly line: string; readonly number: number }[] {
  const found: { line: string; number: number }[] = [];
  let applies = true;
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const range = rangeLine.exec(line);
    if (line === '') applies = true;
    else if (range !== null) applies = isInRange(range, version);
    else if (!line.startsWith('#') && applies) found.push({ line, number: at + 1 });
  }
  return found;
}

function isInRange(range: RegExpExecArray, version: readonly number[]): boolean {
  const [fromMajor, fromMinor, beforeMajor, beforeMinor] = range.slice(1);
  const at = orderOf(version.map(String));
  const isFrom = fromMajor === undefined || at >= orderOf([fromMajor, fromMinor]);
  return isFrom && (beforeMajor === undefined || at < orderOf([beforeMajor, beforeMinor]));
}

function orderOf([major = '0', minor = '0']: readonly (string | undefined)[]): number {
  return Number(major) * 1000 + Number(minor);
}

function patternOf(text: string): RegExp | undefined {
  try {
    return new RegExp(text);
  } catch {
    return undefined;
  }
}

/** True for a subtest that is not to be run. */
export function isSkipped(name: string, { skips }: Expectations): boolean {
  return skips.some((pattern) => pattern.test(name));
}

const bad: ReadonlySet<SubtestResult> = new Set(['fail', 'crash', 'timeout', 'incomplete']);

/**
 * Marks a subtest whose result is expected. A bad result that `fails` lists gets `expected: 'fail'`; an entry of a subtest also
 * covers its dynamic subtests. Another bad result gets `expected: 'flake'` when a pattern of `flakes` fits the name. A subtest
 * that passes though `fails` lists it gets `expected: 'fail'`, too: its entry is out of date. Any other subtest is returned
 * unchanged.
 */
export function expectSubtest(subtest: Subtest, { fails, flakes }: Expectations): Subtest {
  const { name, result } = subtest;
  const listed = fails.get(name);
  if (result === 'pass') {
    return listed === undefined || listed.has('pass') ? subtest : { ...subtest, expected: 'fail' };
  }
  if (!bad.has(result)) return subtest;
  const parent = name.split('@').slice(0, 2).join('@');
  const isListed = listed?.has(result) === true || fails.get(parent)?.has(result) === true;
  if (isListed) return { ...subtest, expected: 'fail' };
  return flakes.some((pattern) => pattern.test(name)) ? { ...subtest, expected: 'flake' } : subtest;
}

/** The subtests that failed though they were not expected to, each as `kms_atomic@x: fail`. */
export function unexpectedFailures(subtests: readonly Subtest[]): readonly string[] {
  return subtests
    .filter(({ result, expected }) => bad.has(result) && expected === undefined)
    .map(({ name, result }) => `${name}: ${result}`);
}
