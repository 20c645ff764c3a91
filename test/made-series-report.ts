import type { ReportedPatch, SeriesReport } from '../harness/records/series.ts';
import { writtenBy } from '../harness/trial/harness-facts.ts';
import { aReportedPatch } from './made-records.ts';

/** A report with one patch of every kind. Its texts may come from a stranger. */
export function aFullSeries(): SeriesReport {
  const splat = {
    title: 'possible deadlock in f',
    signature: 'possible-deadlock-1',
    rate: 0.2,
    confidence: 0.996,
    workloads: ['hmm'],
    report: [`WARNING: ${'x'.repeat(90)}`, ' <TASK> & more'],
  };
  const build = {
    kernel: 'k',
    image: 'i',
    release: '6.1.192',
    compiler: 'gcc 12',
    sandbox: 'bwrap',
    objects: 1,
    cpuSeconds: 1,
    fromCache: false,
  };
  const patch = (index: number, more: Partial<ReportedPatch>): ReportedPatch =>
    aReportedPatch({
      index,
      subject: `mm: change number ${index} with a subject that is longer than any column of a table may be`,
      subjectLine: null,
      author: 'Ada L. <ada@example.org>',
      messageId: `p${index}@example.org`,
      build,
      ...more,
    });
  return {
    schema: 'splat-series/1',
    harness: writtenBy(),
    verdict: { kind: 'splat', because: 'patch 2 introduces' },
    exitCode: 1,
    base: {
      kernel: 'debian:6.1',
      source: 'debian:6.1 (6.1.192-2)',
      series: [],
      state: 'ready',
      build,
      unproved: [],
      splats: [],
    },
    series: {
      name: 'x.mbox',
      cover: {
        subject: 'all of it',
        subjectLine: '[RFC PATCH v2 0/5] all of it',
        messageId: 'c@example.org',
      },
      notes: [],
      passedOver: [],
    },
    patches: [
      patch(1, { subject: 'evil \u001b[31m\r\nBcc: x@example.org # <&' }),
      patch(2, { verdict: 'introduces', splats: [splat] }),
      patch(3, {
        verdict: 'untestable',
        because: 'build: a.c:1: no',
        broken: 'build',
        breaks: true,
        build: null,
      }),
      patch(4, { verdict: 'inconclusive', because: 'hmm: masked: x' }),
      patch(5, { verdict: 'fixes', splats: [splat] }),
    ],
    workloads: [{ name: 'hmm', heard: 16, seenAbove: 0.17, curedSeenAbove: 0.78 }],
    coverage: [
      { name: 'f', file: 'a.c', state: 'ran', calls: { hmm: 3 } },
      { name: 'g', file: 'a.c', state: 'not-run', through: 'h', calls: {} },
    ],
    suites: [
      {
        kind: 'kselftest',
        name: 'tools/testing/selftests/mm',
        files: ['mm/a.c'],
        command: 'make -C tools/testing/selftests TARGETS=mm run_tests',
      },
    ],
    accel: 'tcg',
    seed: 1,
    confidence: 0.99,
    timings: { buildSeconds: 1, buildCpuSeconds: 1, trialSeconds: 1, trials: 1 },
  };
}
