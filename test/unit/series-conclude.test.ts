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

type BuildNote = NonNullable<Extract<SeriesFact, { kind: 'step' }>['build']>;

/** The files of the patch, and what a build with W=1 said about both kernels. */
interface Compiled {
  readonly files?: readonly { readonly path: string; readonly before: string | undefined }[];
  readonly checked?: readonly BuildNote['checked'][];
  /** True when no trial of the base could show a splat. */
  readonly isBaseDeaf?: boolean;
}

const build: BuildNote = {
  kernel: 'k',
  image: 'i',
  release: '6.1.0',
  compiler: 'gcc 12',
  sandbox: 'bwrap',
  objects: 1,
  cpuSeconds: 1,
  fromCache: false,
  warnings: [],
};

/**
 * Judges a series with one patch to f(), for which the detectors were on in both kernels. `calls` and `seen` are those of the
 * second kernel's trials.
 */
function conclude(
  calls: Readonly<Record<string, number>>,
  seen: readonly Sighting[] = [],
  { files = [], checked = [], isBaseDeaf = false }: Compiled = {},
): SeriesReport {
  const facts: SeriesFact[] = [0, 1].flatMap((step): SeriesFact[] => [
    {
      kind: 'step',
      step,
      state: { kind: 'ready', image: `${step}`, unproved: [] },
      seconds: 1,
      profiled: ['f'],
      ...(checked[step] === undefined ? {} : { build: { ...build, checked: checked[step] } }),
    },
    ...Array.from({ length: 4 }, (): SeriesFact => {
      const splats = step === 1 ? seen : [];
      const state = isBaseDeaf && step === 0 ? 'void' : 'heard';
      const trial = { step, workload: 'hmm', state, splats } as const;
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
    changes: [{ files, functions, kind: 'code' }],
    watched: [{ name: 'f', file: 'mm/a.c', callers: [], patches: [1] }],
    log: { facts },
    evidence,
    judged,
    detectors,
    names,
    reach: () => 'unknown',
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

void test('a splat that no trial of the base could show is perhaps of the base', (t) => {
  const seen = [{ key: 'k', title: 'WARNING in f', signature: 'k' }];
  const { base, patches } = conclude({ f: 3 }, seen, { isBaseDeaf: true });
  t.match(base.splats, [{ title: 'WARNING in f', perhaps: true }]);
  t.match(patches, [{ verdict: 'inconclusive' }]);
  t.strictSame(conclude({ f: 3 }, seen).base.splats, []);
  t.end();
});

function warning(place: string, text: string) {
  return { severity: 'warning' as const, place, text };
}

void test('a warning of W=1 is the news of a patch when its file did not have it before', (t) => {
  const files = [
    { path: 'mm/a.c', before: 'old' },
    { path: 'mm/new.c', before: undefined },
    { path: 'mm/unknown.c', before: 'old' },
  ];
  const old = warning('mm/a.c:12', 'no previous prototype for f');
  const before = { files: ['mm/a.c', 'mm/other.c'], warnings: [old] };
  const after = {
    files: ['mm/a.c', 'mm/new.c', 'mm/other.c', 'mm/unknown.c'],
    warnings: [
      warning('mm/a.c:19', 'no previous prototype for f'),
      warning('mm/a.c:30', 'unused variable x'),
      warning('mm/new.c:1', 'no previous prototype for g'),
      warning('mm/other.c:2', 'of a file that another patch changes'),
      warning('mm/unknown.c:3', 'nobody looked at it before'),
    ],
  };
  const { patches } = conclude({ f: 3 }, [], { files, checked: [before, after] });
  t.strictSame(
    patches[0]?.warnings.map(({ place }) => place),
    ['mm/a.c:30', 'mm/new.c:1'],
  );
  t.strictSame(conclude({ f: 3 }, [], { files, checked: [before] }).patches[0]?.warnings, []);
  t.equal(patches[0]?.verdict, 'unaffected', 'it is no verdict');
  t.end();
});
