import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { openFactLog } from '../../harness/host/fact-log.ts';
import { compareVersions, type VersionedPatch } from '../../harness/patch/compare-versions.ts';
import { nothingKnown } from '../../harness/plans/series/evidence.ts';
import { evidenceOf } from '../../harness/plans/series/facts.ts';
import { judgePatches } from '../../harness/plans/series/judge.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import { keepPatches, readPrevious, recallTrials } from '../../harness/plans/series/previous.ts';
import { recallPrefix } from '../../harness/plans/series/recall-prefix.ts';
import { walkSeries } from '../../harness/plans/series/walk.ts';
import type { PrefixTrial, SeriesFact, StepState } from '../../harness/records/series-journal.ts';
import { seriesFactSchema } from '../../harness/records/series-journal.ts';
import { formatSeriesPage } from '../../harness/report/page/series-page.ts';
import { describeSeries } from '../../harness/report/series-text.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { aReportedPatch, aSeriesReport } from '../made-records.ts';

const diffOf = (file: string, line: number, words: readonly string[]): string =>
  `diff --git a/${file} b/${file}\nindex 1111111..2222222 100644\n--- a/${file}\n+++ b/${file}\n@@ -${line},${words.length} +${line},${words.length} @@\n${words
    .map((word) => `-old ${word}\n+new ${word}\n`)
    .join('')}-- \n2.39.5\n`;

const patch = (index: number, subject: string, diff: string): VersionedPatch => ({
  index,
  subject,
  diff,
});

void test('two versions of a series are compared patch by patch', (t) => {
  const long = ['a', 'b', 'c', 'd', 'e', 'f'];
  const older = [
    patch(1, 'mm: one', diffOf('mm/a.c', 10, ['one'])),
    patch(2, 'mm: two', diffOf('mm/b.c', 10, ['two'])),
    patch(3, 'mm: three', diffOf('mm/c.c', 10, long)),
    patch(4, 'mm: four', diffOf('mm/d.c', 10, ['four'])),
    patch(5, 'mm: five', diffOf('mm/d.c', 10, ['five'])),
  ];
  const newer = [
    patch(1, 'mm: five', diffOf('mm/d.c', 999, ['five'])),
    patch(2, 'mm: first, in better words', diffOf('mm/a.c', 12, ['one']).replace('1111111', '3')),
    patch(3, 'MM:  two', diffOf('mm/b.c', 10, ['two', 'and more'])),
    patch(4, 'mm: another subject', diffOf('mm/c.c', 10, [...long, 'g'])),
    patch(5, 'mm: sixth', diffOf('mm/e.c', 10, ['four'])),
  ];
  t.strictSame(compareVersions(older, newer), {
    patches: [
      { index: 1, change: 'same', before: 5 },
      { index: 2, change: 'same', before: 1 },
      { index: 3, change: 'changed', before: 2 },
      { index: 4, change: 'changed', before: 3 },
      { index: 5, change: 'new' },
    ],
    gone: [4],
  });
  t.strictSame(compareVersions([], []), { patches: [], gone: [] });
  const bare = { index: 1, subject: 'x', diff: '' };
  t.strictSame(compareVersions([bare], [bare]).patches, [{ index: 1, change: 'same', before: 1 }]);
  t.end();
});

const splat = { key: 'k', title: 'WARNING in f', signature: 'f' };
const ready = (image: string): StepState => ({ kind: 'ready', image, unproved: [] });

const trialOf = (step: number, at: number): SeriesFact => ({
  kind: 'trial',
  trial: {
    step,
    workload: 'hmm',
    state: step === 2 ? 'masked' : 'heard',
    splats: step === 2 ? [splat] : [],
  },
  folder: `trials/patch-${step}.${at}.hmm`,
  calls: { f: 3 },
  seconds: 5,
});

/** The journal of an earlier series with two patches, of which the second brings a splat. */
function earlierFacts(): readonly SeriesFact[] {
  const sixteen = Array.from({ length: 16 }, (_, at) => at);
  return [
    { kind: 'question', key: 'q', harness: writtenBy() },
    { kind: 'setting', key: 'same' },
    { kind: 'accel', accel: 'tcg' },
    ...['base', 'one', 'two'].flatMap((image, step): readonly SeriesFact[] => [
      { kind: 'step', step, state: ready(image), seconds: 1, profiled: ['f'] },
      ...sixteen.map((at) => trialOf(step, at)),
    ]),
    { kind: 'report', key: 'k', step: 2, workload: 'hmm', text: ['WARNING'] },
  ];
}

function plantEarlier(dir: string): void {
  const patches = [1, 2].map((index) => aReportedPatch({ index, subject: `mm: ${index}` }));
  writeFileSync(join(dir, 'series.json'), JSON.stringify(aSeriesReport({ patches })));
  const lines = earlierFacts().map((fact) => JSON.stringify(fact));
  writeFileSync(join(dir, 'journal.jsonl'), `${lines.join('\n')}\n{"kind":"of a later splat"}\n`);
  mkdirSync(join(dir, 'trials/patch-2.0.hmm'), { recursive: true });
  writeFileSync(join(dir, 'trials/patch-2.0.hmm/console.log'), 'WARNING');
}

void test('trials of an earlier version count where the image is the same', async (t) => {
  const dir = t.testdir({ v2: {}, v3: {} });
  plantEarlier(join(dir, 'v2'));
  await t.rejects(readPrevious('v2', dir), { code: 'usage', message: /no patches\/0001\.diff/ });
  await t.rejects(readPrevious('v3', dir), { code: 'usage', message: /no series\.json/ });
  const diffs = [1, 2].map((index) => ({
    index,
    subject: `mm: ${index}`,
    file: '',
    diff: diffOf('mm/\u00e9.c', index, ['x']),
  }));
  await keepPatches(join(dir, 'v2'), diffs);
  const previous = await readPrevious('v2', dir);
  t.equal(previous.patches[1]?.diff, diffs[1]?.diff, 'byte by byte');
  t.equal(recallTrials(previous, 'other'), undefined, 'tried with other workloads');
  const recall = recallTrials(previous, 'same');
  await using log = await openFactLog(join(dir, 'v3'), {
    key: 'k',
    what: 'series',
    schema: seriesFactSchema,
    harness: writtenBy(),
  });
  const request = { log, dir: join(dir, 'v3'), recall, nameOf: (step: number) => `patch-${step}` };
  const tried: PrefixTrial[] = [];
  const walk = await walkSeries({
    count: 3,
    workloads: ['hmm'],
    limits: defaultLimits,
    parallel: 2,
    evidence: nothingKnown,
    tester: {
      reach: () => 'yes',
      prepare: async (step) => {
        const state = ready(['base', 'one', 'another', 'two'][step] ?? '');
        await log.append({ kind: 'step', step, state, seconds: 1 });
        return state;
      },
      recall: async (step) => recallPrefix(step, request, new Set()),
      trial: async (step, workload) => {
        const trial = { step, workload, state: 'heard', splats: [] } as const;
        tried.push(trial);
        return trial;
      },
    },
  });
  t.ok(tried.length > 0 && tried.every(({ step }) => step === 2), 'what was known is not run');
  const judged = judgePatches(walk, {
    count: 3,
    confidence: 0.99,
    workloads: ['hmm'],
    detectors: new Set(),
  });
  t.match(judged[2], { verdict: 'introduces', splats: [{ title: 'WARNING in f' }] });
  t.strictSame(
    judged.map(({ verdict }) => verdict),
    ['unaffected', 'unaffected', 'introduces'],
  );
  const reused = log.facts.filter((fact) => fact.kind === 'trial' && fact.reused === true);
  t.equal(reused.length, 48);
  t.match(reused.at(-16), { folder: 'trials/patch-3.0.hmm', trial: { step: 3 }, calls: { f: 3 } });
  t.match(reused.at(-1), { folder: '' }, 'a console that is gone is not promised');
  const report = log.facts.find(({ kind }) => kind === 'report');
  t.match(report, { step: 3, text: ['WARNING'] });
  t.equal(evidenceOf(log).trials.length, 48, 'a continued series has them');
});

void test('what changed between two versions is said', (t) => {
  const report = aSeriesReport({
    previous: {
      run: 'runs/v2',
      series: 'v2.mbox',
      comparable: true,
      reusedTrials: 36,
      gone: [{ index: 4, subject: 'mm: \u001b[31mfour <b>', verdict: 'introduces' }],
    },
    patches: [
      aReportedPatch({ previous: { index: 1, change: 'same', verdict: 'unaffected' } }),
      aReportedPatch({
        index: 2,
        previous: { index: 2, change: 'changed', verdict: 'introduces' },
      }),
      aReportedPatch({ index: 3, previous: { index: 3, change: 'same', verdict: 'inconclusive' } }),
      aReportedPatch({ index: 4 }),
    ],
  });
  const text = describeSeries(report, { colour: false, dir: 'runs/v3' });
  for (const line of [
    'before   v2.mbox in runs/v2: 2 the same, 1 changed, 1 new, 1 gone; 36 of its trials count here',
    'patch 2: patch 2 before, changed: was introduces, is unaffected',
    'patch 3: the same as patch 3 before: was inconclusive, is unaffected',
    'patch 4: new: unaffected',
    'gone: patch 4 before, mm: ',
  ]) {
    t.ok(text.includes(line), line);
  }
  t.notMatch(text, /patch 1: /, 'what stayed needs no words');
  t.notOk(text.includes('\u001b'));
  const page = formatSeriesPage(report, { command: 'x', startedAt: 'x', placeOf: () => undefined });
  t.match(page, /Since the version before/);
  t.match(page, /four &lt;b&gt;/);
  t.notMatch(describeSeries(aSeriesReport(), { colour: false, dir: 'x' }), /before/);
  t.end();
});
