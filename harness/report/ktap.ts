import type { RunResult } from '../records/run-result.ts';
import type { Subtest } from '../records/subtest.ts';
import { isNotRun, verdictPhrase } from '../verdict.ts';
import { plain } from './plain.ts';

/**
 * Returns a run as KTAP version 1 (Documentation/dev-tools/ktap.rst), with one test for the boot and one test for each trial:
 *
 *     not ok 3 munmap # possible deadlock in foo
 *
 * A kernel that could not be tested is the only test, and is not ok. A trial without a proof is not ok either, because a reader
 * of TAP must not take a dead detector for a pass. Only a trial that does not apply to this kernel or guest is a skip.
 */
export function formatKtap(run: RunResult): string {
  const { verdict } = run;
  if (verdict.kind === 'untestable') {
    return [
      'KTAP version 1',
      '1..1',
      `not ok 1 kernel # ${verdictPhrase(verdict)}: ${comment(verdict.message)}`,
      '',
    ].join('\n');
  }
  const boot = run.bootSplats.filter(({ known }) => known !== true).map(({ title }) => title);
  const results = [
    boot.length === 0 ? 'ok 1 boot' : `not ok 1 boot # ${comment(boot.join('; '))}`,
    ...run.trials.flatMap((trial, index) => [
      ...subtestLines(trial.subtests ?? []),
      trialLine(trial, index + 2),
    ]),
  ];
  const plan = `1..${run.trials.length + 1}`;
  return ['KTAP version 1', plan, ...results, ''].join('\n');
}

/**
 * The tests inside a trial. KTAP nests such tests: they are indented, have their own version and plan, and stand above the line of
 * the trial.
 */
function subtestLines(subtests: readonly Subtest[]): readonly string[] {
  if (subtests.length === 0) return [];
  const lines = subtests.map((subtest, at) => subtestLine(subtest, at + 1));
  return ['KTAP version 1', `1..${subtests.length}`, ...lines].map((line) => `  ${line}`);
}

function subtestLine({ name, result, expected }: Subtest, number: number): string {
  const what = `${number} ${comment(name)}`;
  switch (result) {
    case 'pass':
      return `ok ${what}${expected === undefined ? '' : ' # it was expected to fail'}`;
    case 'skip':
    case 'notrun':
      return `ok ${what} # SKIP${result === 'skip' ? '' : ' not run'}`;
    case 'timeout':
      return `not ok ${what} # ${expected === undefined ? 'TIMEOUT' : `XFAIL ${expected}`}`;
    case 'fail':
    case 'crash':
    case 'incomplete':
      return `not ok ${what} # ${expected === undefined ? result : `XFAIL ${expected}`}`;
  }
}

function trialLine({ id, verdict }: RunResult['trials'][number], number: number): string {
  switch (verdict.kind) {
    case 'clean':
      return `ok ${number} ${id}`;
    case 'splat':
      return `not ok ${number} ${id} # ${comment(verdict.titles.join('; '))}`;
    case 'untestable':
    case 'inconclusive': {
      const text = `${verdictPhrase(verdict)}: ${comment(verdict.message)}`;
      return isNotRun(verdict)
        ? `ok ${number} ${id} # SKIP ${text}`
        : `not ok ${number} ${id} # ${text}`;
    }
  }
}

/** Untrusted text for a line, without `#`: a second `#` would begin a directive. */
function comment(text: string): string {
  return plain(text).replaceAll('#', '.');
}
