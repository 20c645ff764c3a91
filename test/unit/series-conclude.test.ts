import { test } from 'tap';
import { concludeSeries, type Tried } from '../../harness/plans/series/conclude.ts';
import { evidenceOf } from '../../harness/plans/series/facts.ts';
import { judgePatches } from '../../harness/plans/series/judge.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import type { SeriesReport } from '../../harness/records/series.ts';
import type { SeriesFact, Sighting } from '../../harness/records/series-journal.ts';
import { formatB4Checks } from '../../harness/report/b4-check.ts';
import { formatSeriesJunit } from '../../harness/report/series-junit.ts';
import { formatSeriesKtap } from '../../harness/report/series-ktap.ts';

/** A series of one patch to f(), heard in both kernels; `calls` and `seen` are of the trials of the second. */
function conclude(
  calls: Readonly<Record<string, number>>,
  seen: readonly Sighting[] = [],
): SeriesReport {
  const facts: SeriesFact[] = [0, 1].flatMap((step): SeriesFact[] => [
    {
      kind: 'step',
      step,
      state: { kind: 'ready', image: `${step}`, unproved: [] },
      seconds: 1,
      profiled: ['f'],
    },
    ...Array.from({ length: 4 }, (): SeriesFact => {
      const splats = step === 1 ? seen : [];
      const trial = { step, workload: 'hmm', state: 'heard', splats } as const;
      return {
        kind: 'trial',
        trial,
        folder: `trials/step-${step}.hmm`,
        seconds: 1,
        calls: step === 1 ? calls : { f: 9 },
      };
    }),
    {
      kind: 'trial',
      trial: { step, workload: 'boot', state: 'heard', splats: [] },
      folder: '',
      seconds: 1,
    },
  ]);
  const evidence = evidenceOf({ facts });
  const names = ['boot', 'hmm'];
  const detectors = new Set<number>();
  const { confidence } = defaultLimits;
  const judged = judgePatches(evidence, { count: 1, confidence, workloads: names, detectors });
  const functions = [{ name: 'f', file: 'mm/a.c', kind: 'function' }];
  return concludeSeries({
    request: { base: 'debian:6.1', baseSeries: [], limits: defaultLimits, seed: 1 },
    series: { name: 's', patches: [{ index: 1, subject: 'mm: x', file: 'f', diff: '' }] },
    source: { name: 'debian:6.1' },
    notes: [],
    suites: [],
    learned: [[]],
    changes: [{ files: [], functions, kind: 'code' }],
    watched: [{ name: 'f', file: 'mm/a.c', callers: [], patches: [1] }],
    log: { facts },
    evidence,
    judged,
    detectors,
    names,
  } as unknown as Tried);
}

void test('a series whose functions never ran is proved in no format', (t) => {
  const ran = conclude({ f: 3 });
  t.match(ran, { verdict: { kind: 'clean' }, exitCode: 0, patches: [{ verdict: 'unaffected' }] });
  const report = conclude({});
  t.match(report, {
    verdict: { kind: 'inconclusive', because: /^unexercised/ },
    exitCode: 125,
    patches: [{ verdict: 'inconclusive', because: 'unexercised: never ran: f' }],
  });
  t.match(formatSeriesJunit(report), 'errors="1"');
  t.match(formatSeriesKtap(report), /^not ok 2 mm: x/m);
  t.match(formatB4Checks(report), [{ status: 'warn' }]);
  t.end();
});

void test('a splat names a trial of the patch it is blamed on', (t) => {
  const { patches } = conclude({ f: 3 }, [{ key: 'k', title: 'WARNING in f', signature: 'k' }]);
  t.match(patches, [{ verdict: 'introduces', splats: [{ seenIn: 'trials/step-1.hmm' }] }]);
  t.end();
});
