import type { ReportedPatch, SeriesReport } from '../records/series.ts';
import { escapeXml } from './xml.ts';

/**
 * Returns a series as JUnit XML, with one test for each patch and one test for the base, without which nothing is proved. A failure
 * is a patch that introduces or exposes a splat, or that breaks a build or boot of its predecessor. Any other untestable or
 * inconclusive patch, and a broken base, is an error.
 */
export function formatSeriesJunit(report: SeriesReport): string {
  const { timings, patches } = report;
  const cases = [baseCase(report), ...patches.map(patchCase)];
  const count = (name: 'failure' | 'error'): number =>
    cases.filter((xml) => xml.includes(`<${name} `)).length;
  const seconds = (timings.buildSeconds + timings.trialSeconds).toFixed(3);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites><testsuite name="splat series" tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="0" time="${seconds}">`,
    ...cases,
    '</testsuite></testsuites>',
    '',
  ].join('\n');
}

function baseCase({ base }: SeriesReport): string {
  return testCase('base', base.state === 'broken' ? element('error', base.because ?? '', '') : '');
}

function patchCase(patch: ReportedPatch): string {
  const { index, subject, verdict, because = '', splats, breaks } = patch;
  const name = `${index} ${subject}`;
  const titles = splats.map(({ title }) => title).join('; ');
  const text = splats.map(({ report }) => report.join('\n')).join('\n\n');
  switch (verdict) {
    case 'introduces':
    case 'exposes':
      return testCase(name, element('failure', `${verdict}: ${titles}`, text));
    case 'untestable':
      return testCase(name, element(breaks ? 'failure' : 'error', `${verdict}: ${because}`, ''));
    case 'inconclusive':
      return testCase(name, element('error', `${verdict}: ${because}`, ''));
    case 'fixes':
    case 'unaffected':
      return testCase(name, '');
  }
}

function testCase(name: string, content: string): string {
  return `<testcase classname="splat.series" name="${escapeXml(name)}" time="0">${content}</testcase>`;
}

function element(name: 'failure' | 'error', message: string, text: string): string {
  return `<${name} message="${escapeXml(message)}">${escapeXml(text)}</${name}>`;
}
