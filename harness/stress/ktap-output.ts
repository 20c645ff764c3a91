/** What tests of the kernel print, KTAP and TAP of every age -> results. Pure: text in, values out. */
import type { SubtestResult } from '../records/subtest.ts';

/** A result line, with those of the tests inside it. */
export interface KtapTest {
  readonly name: string;
  readonly result: SubtestResult;
  /** Of a skip the text behind `# SKIP`, of a failure where it is; absent: nothing says it. */
  readonly why?: string;
  readonly inside: readonly KtapTest[];
}

/** What was read of an output. */
export interface KtapOutput {
  /** Tests that ended, none of them inside another. */
  readonly tests: readonly KtapTest[];
  /** Tests that began and did not end, the outermost first, each with the tests inside it that ended. */
  readonly open: readonly { readonly name: string; readonly inside: readonly KtapTest[] }[];
}

/** Four spaces are a level in KUnit, two in the newer kselftests. */
const resultLine = /^( *)(not ok|ok)\b(?: +(\d+))?(?: +-)? *(.*)$/;
const beginLine = /^( *)# Subtest: (.+)$/;
const directive = /^(.*?) *# *(SKIP|TODO|XFAIL|TIMEOUT|ERROR)\b[: ]*(.*)$/i;
const placeLine = /^ *# .*?((?:EXPECTATION|ASSERTION) FAILED at \S+)/;
const longestName = 160;

/**
 * Reads lines of these forms, and ignores all others (Documentation/dev-tools/ktap.rst):
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
 * A line that is indented is inside the next result line that is less so.
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
  /** Tests that ended and are not yet inside another. */
  ended: { readonly indent: number; readonly test: KtapTest }[];
  /** Announced, and not ended. The announcement is as far indented as the tests inside. */
  begun: { readonly indent: number; readonly name: string }[];
  /** Where the test that is running failed. */
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
  // Prose that begins with "ok" has no number.
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

/** A skipped test is ok or not ok, by the age of its printer. An expected failure is none. */
function resultOf(word: string, mark: string): SubtestResult {
  if (mark === 'SKIP') return 'skip';
  if (mark === 'TIMEOUT') return 'timeout';
  if (word === 'ok') return 'pass';
  return mark === 'XFAIL' || mark === 'TODO' ? 'pass' : 'fail';
}

/** The guest is not trusted: names end up in terminals and on pages. */
function plainName(text: string): string {
  return text
    .replaceAll(/[^ -~]+/g, ' ')
    .trim()
    .slice(0, longestName);
}
