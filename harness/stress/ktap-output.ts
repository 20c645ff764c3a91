/** Reads the results of kernel tests from their output, in any version of KTAP or TAP. Pure. */
import { printableLine } from '../printable.ts';
import type { SubtestResult } from '../records/subtest.ts';

/** A test that ended, from its line `ok` or `not ok`, with the tests inside it. */
export interface KtapTest {
  readonly name: string;
  readonly result: SubtestResult;
  /** For a skip, the text after `# SKIP`; for a failure, the place where it happened. Absent when the output does not say it. */
  readonly why?: string;
  readonly inside: readonly KtapTest[];
}

/** The tests that were read from the output of a program. */
export interface KtapOutput {
  /** The tests that ended and are inside no other test. */
  readonly tests: readonly KtapTest[];
  /** The tests that began and did not end, the outermost first. `inside` are the tests in them that ended. */
  readonly open: readonly { readonly name: string; readonly inside: readonly KtapTest[] }[];
}

/** A line with the result of a test. One step of indentation is four spaces in KUnit, and two in newer kselftests. */
const resultLine = /^( *)(not ok|ok)\b(?: +(\d+))?(?: +-)? *(.*)$/;
const beginLine = /^( *)# Subtest: (.+)$/;
const directive = /^(.*?) *# *(SKIP|TODO|XFAIL|TIMEOUT|ERROR)\b[: ]*(.*)$/i;
const placeLine = /^ *# .*?((?:EXPECTATION|ASSERTION) FAILED at \S+)/;
const longestName = 160;

/**
 * Reads test results from lines of these forms, and ignores all other lines (Documentation/dev-tools/ktap.rst):
 *
 *     KTAP version 1
 *     1..1
 *         # Subtest: drm_buddy
 *         1..2
 *         # drm_test_buddy_alloc_limit: EXPECTATION FAILED at drivers/gpu/drm/tests/drm_buddy_test.c:331
 *         not ok 1 drm_test_buddy_alloc_limit
 *         ok 2 - drm_test_buddy_alloc_range # SKIP too little memory
 *     not ok 1 drm_buddy
 *
 * An indented result belongs to the test whose result comes next with less indentation. A result without a number is ignored.
 */
export function readKtap(text: string): KtapOutput {
  const reading: Reading = { ended: [], begun: [] };
  for (const line of text.split(/\r*\n/)) readLine(line, reading);
  const { ended, begun } = reading;
  const outermost = Math.min(...ended.map(({ indent }) => indent), ...begun.map(openIndent));
  const inside = (indent: number): readonly KtapTest[] =>
    ended.filter((one) => one.indent === indent).map(({ test }) => test);
  return {
    tests: begun.length === 0 ? inside(outermost) : inside(0),
    open: begun.map(({ name, indent }) => ({ name, inside: inside(indent) })),
  };
}

interface Reading {
  /** The tests that ended and are not inside another test yet. */
  ended: { readonly indent: number; readonly test: KtapTest }[];
  /**
   * The tests that began and have not ended, from lines `# Subtest: NAME`. Such a line is indented as far as the tests inside it.
   */
  begun: { readonly indent: number; readonly name: string }[];
  /** The first place where the running test failed; absent until it fails. */
  place?: string | undefined;
}

function openIndent({ indent }: { readonly indent: number }): number {
  return indent;
}

function readLine(line: string, reading: Reading): void {
  const begin = beginLine.exec(line);
  if (begin !== null) {
    const [, { length: indent } = '', name = ''] = begin;
    reading.begun = reading.begun.filter((one) => one.indent < indent);
    reading.begun.push({ indent, name: plainName(name) });
    reading.place = undefined;
    return;
  }
  reading.place ??= placeLine.exec(line)?.[1];
  const match = resultLine.exec(line);
  if (match !== null) endTest(match, reading);
}

function endTest(match: RegExpExecArray, reading: Reading): void {
  const [, { length: indent } = '', word = '', number = '', rest = ''] = match;
  // A line of prose that begins with "ok" has no number.
  if (number === '') return;
  const [, before = rest, mark = '', reason = ''] = directive.exec(rest) ?? [];
  const inside = reading.ended.filter((one) => one.indent > indent).map(({ test }) => test);
  const result = resultOf(word, mark.toUpperCase());
  const why = result === 'skip' ? reason : result === 'pass' ? undefined : reading.place;
  const test: KtapTest = {
    name: plainName(before) || number,
    result,
    inside,
    ...(why === undefined || why === '' ? {} : { why: plainName(why) }),
  };
  reading.begun = reading.begun.filter((one) => one.indent <= indent);
  reading.ended = reading.ended.filter((one) => one.indent <= indent);
  reading.ended.push({ indent, test });
  reading.place = undefined;
}

/**
 * The result of a test, from `ok` or `not ok` and the mark after `#`. A skipped test may be `ok` or `not ok`, depending on the
 * version of the program that printed it. An expected failure (XFAIL, TODO) counts as a pass.
 */
function resultOf(word: string, mark: string): SubtestResult {
  if (mark === 'SKIP') return 'skip';
  if (mark === 'TIMEOUT') return 'timeout';
  if (word === 'ok') return 'pass';
  return mark === 'XFAIL' || mark === 'TODO' ? 'pass' : 'fail';
}

/** The first 160 characters of a text that the guest printed, without characters that a terminal could act on. */
function plainName(text: string): string {
  return printableLine(text).slice(0, longestName);
}
