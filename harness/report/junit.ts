import type { RunResult } from '../records/run-result.ts';
import type { TrialResult } from '../records/trial.ts';
import { isNotRun, verdictPhrase } from '../verdict.ts';
import { escapeXml } from './xml.ts';

/**
 * Returns a run as JUnit XML for CI servers (the de facto schema of Jenkins' xUnit plugin), with one test for the kernel, one test
 * for each trial and one test for each subtest. An unexpected splat is a failure, a trial that was not run is skipped, and every
 * other unproved result is an error. A failed subtest is a failure, but is skipped when the failure was expected. A subtest that
 * did not run is skipped, too.
 */
export function formatJunit(run: RunResult): string {
  const cases = [
    kernelCase(run),
    ...run.trials.flatMap((trial) => [trialCase(trial), ...subtestCases(trial)]),
  ];
  const failures = cases.filter((xml) => xml.includes('<failure')).length;
  const errors = cases.filter((xml) => xml.includes('<error')).length;
  const skipped = cases.filter((xml) => xml.includes('<skipped')).length;
  const seconds = (run.timings.totalMs / 1000).toFixed(3);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites><testsuite name="splat run" tests="${cases.length}" failures="${failures}" errors="${errors}" skipped="${skipped}" time="${seconds}">`,
    ...cases,
    '</testsuite></testsuites>',
    '',
  ].join('\n');
}

function kernelCase({ verdict, bootSplats }: RunResult): string {
  if (verdict.kind === 'untestable') {
    const text = [verdict.message, verdict.output ?? ''].join('\n');
    return testCase('kernel', 0, element('error', verdictPhrase(verdict), text));
  }
  const fresh = bootSplats.filter(({ known }) => known !== true);
  const [first] = fresh;
  if (first === undefined) return testCase('kernel', 0, '');
  const text = fresh.map(({ text: lines }) => lines.join('\n')).join('\n\n');
  return testCase('kernel', 0, element('failure', first.title, text));
}

function trialCase({ id, verdict, splats, timings }: TrialResult): string {
  switch (verdict.kind) {
    case 'clean':
      return testCase(id, timings.totalMs, '');
    case 'splat': {
      const fresh = splats.filter(({ known }) => known !== true);
      const text = fresh.map(({ text: lines }) => lines.join('\n')).join('\n\n');
      return testCase(id, timings.totalMs, element('failure', verdict.titles.join('; '), text));
    }
    case 'untestable':
    case 'inconclusive':
      return testCase(
        id,
        timings.totalMs,
        element(
          isNotRun(verdict) ? 'skipped' : 'error',
          `${verdictPhrase(verdict)}: ${verdict.message}`,
          '',
        ),
      );
  }
}

/** The tests inside a trial, as one class that is named after the trial. Single tests are not timed, so they have no times here. */
function subtestCases({ id, subtests = [] }: TrialResult): readonly string[] {
  return subtests.map(({ name, result, expected }) => {
    const isSkipped = result === 'skip' || result === 'notrun';
    const content =
      result === 'pass'
        ? ''
        : isSkipped || expected !== undefined
          ? element('skipped', expected === undefined ? result : `${result}, as expected`, '')
          : element('failure', result, '');
    return testCase(name, 0, content, `splat.${id}`);
  });
}

function testCase(name: string, ms: number, content: string, className = 'splat'): string {
  return `<testcase classname="${escapeXml(className)}" name="${escapeXml(name)}" time="${(ms / 1000).toFixed(3)}">${content}</testcase>`;
}

function element(name: 'failure' | 'error' | 'skipped', message: string, text: string): string {
  return `<${name} message="${escapeXml(message)}">${escapeXml(text)}</${name}>`;
}
