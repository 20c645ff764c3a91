import { test } from 'tap';
import { mergeBranch, nextBranch } from '../../harness/plans/series/branch.ts';
import {
  type Evidence,
  learnStep,
  learnTrial,
  nothingKnown,
  suspectsOf,
  talliesOf,
} from '../../harness/plans/series/evidence.ts';
import { exitCodeOfSeries, judgePatches } from '../../harness/plans/series/judge.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import { locate } from '../../harness/plans/series/presence.ts';
import type { Place } from '../../harness/plans/series/tally.ts';
import { type Tester, walkSeries } from '../../harness/plans/series/walk.ts';

const { confidence } = defaultLimits;
const sighting = (key: string) => ({ key, title: key, signature: key });
const ready = (image: string) => ({ kind: 'ready', image, unproved: [] }) as const;

/** One place for each pair of numbers: the hits and misses of one workload. */
const places = (...tallies: readonly (readonly [number, number])[]): readonly Place[] =>
  tallies.map(([hits, misses]) => ({ tallies: [{ hits, misses }] }));

void test('a rare splat of the base is blamed on nobody', (t) => {
  // Journals of clean series whose base shows the splat in 1 trial of 100 or 200.
  const rows = [
    places([0, 50], [0, 229], [1, 16], [0, 16], [1, 138], [0, 16], [1, 16]),
    places([0, 54], [0, 56], [0, 229], [1, 17], [1, 173], [1, 148], [0, 312]),
    places([0, 284], [1, 83], [2, 214], [0, 23], [1, 49], [3, 207], [1, 123]),
  ];
  for (const row of rows) t.ok(Math.max(...locate(row).came) < 0.9);
  const real = locate(places([0, 120], [0, 120], [9, 110], [8, 100]));
  t.ok((real.came[2] ?? 0) > confidence, 'a splat of 1 trial in 12 is still found');
  t.end();
});

/** A place with the hits and misses of two workloads. */
const tallies = (one: readonly [number, number], two: readonly [number, number]): Place => ({
  tallies: [one, two].map(([hits, misses]) => ({ hits, misses })),
});

void test('a splat has a rate of its own in each workload', (t) => {
  // The base shows it in every trial of one workload; another workload has shown it once, on the second kernel.
  const base = locate([
    tallies([0, 0], [0, 1]),
    tallies([16, 0], [0, 0]),
    tallies([16, 0], [1, 15]),
  ]);
  t.ok(Math.max(...base.came) < 0.9, 'misses of the one say nothing about the other');
  const step = (hits: number, misses: number): Place => tallies([hits, misses], [hits, misses]);
  const both = locate([step(0, 8), step(0, 8), step(8, 0), step(8, 0)]);
  t.ok((both.came[2] ?? 0) > confidence);
  t.ok(both.rate > 0.85);
  t.end();
});

void test('the trials of an image count once, wherever the image is', (t) => {
  let evidence: Evidence = nothingKnown;
  for (const [step, image] of ['base', 'other', 'base'].entries()) {
    evidence = learnStep(evidence, step, ready(image));
  }
  const add = (step: number, count: number, key?: string): void => {
    const splats = key === undefined ? [] : [sighting(key)];
    const trial = { step, workload: 'w', state: 'heard', splats } as const;
    for (let at = 0; at < count; at += 1) evidence = learnTrial(evidence, trial);
  };
  add(0, 16);
  add(1, 13);
  add(1, 3, 'k');
  const [suspect] = suspectsOf(evidence);
  if (suspect === undefined) throw new Error('a trial showed it');
  const found = talliesOf(evidence, suspect);
  t.match(found, [{ tallies: [{ misses: 16 }] }, {}, { tallies: [{ misses: 0 }], twin: 0 }]);
  const { present, came, went } = locate(found);
  t.equal(present[0], present[2], 'equal images have it both or neither');
  t.ok(Math.abs((came[1] ?? 0) - (went[2] ?? 1)) < 1e-9);
  const twice = locate(places([0, 16], [3, 13], [0, 16])).came[1] ?? 0;
  t.ok((came[1] ?? 1) < twice, 'two images with 16 misses each would say more');
  t.end();
});

/** Judges a series whose kernels show a splat in every trial of `w`, from the patch `culprit` on. */
async function playLong(count: number, culprit: number, perSplat = defaultLimits.perSplat) {
  const workloads = ['w'];
  const tester: Tester = {
    prepare: async (step) => ready(`${step}`),
    reach: () => 'no',
    trial: async (step, workload) => {
      const isShown = step >= culprit;
      const splats = isShown ? [sighting('k')] : [];
      return { step, workload, state: isShown ? 'masked' : 'heard', splats };
    },
  };
  const limits = { ...defaultLimits, perSplat };
  const request = { count, workloads, limits, tester, parallel: 2, evidence: nothingKnown };
  const found = await walkSeries(request);
  const options = {
    count,
    confidence,
    workloads,
    reach: tester.reach,
    detectors: new Set<number>(),
  };
  const judged = judgePatches(found, options);
  return { judged, exitCode: exitCodeOfSeries(found.steps.get(0), judged) };
}

void test('a long series is searched for the patch, and is not clean without it', async (t) => {
  const { judged, exitCode } = await playLong(100, 50);
  t.strictSame(
    judged.flatMap(({ index, verdict }) => (verdict === 'introduces' ? [index] : [])),
    [50],
  );
  t.equal(exitCode, 1);
  const cut = await playLong(100, 50, 8);
  t.equal(cut.exitCode, 125);
  const open = cut.judged.filter(({ verdict }) => verdict === 'inconclusive');
  t.ok(open.length > 10 && open.some(({ index }) => index === 50));
  t.match(
    open[0]?.because,
    /^brings "k" with a chance of \d %.*\(one of patches \d+ to \d+ does\)/,
  );
});

void test('a branch does not refute what the series showed', (t) => {
  let series: Evidence = nothingKnown;
  for (const step of [0, 1, 2, 3]) series = learnStep(series, step, ready(`i${step}`));
  const add = (step: number, count: number, state: 'heard' | 'masked', key?: string): void => {
    const splats = key === undefined ? [] : [sighting(key)];
    for (let at = 0; at < count; at += 1) {
      series = learnTrial(series, { step, workload: 'w', state, because: 'x', splats });
    }
  };
  add(0, 16, 'heard');
  add(1, 16, 'masked', 'x');
  add(2, 15, 'masked', 'x');
  add(2, 1, 'masked', 'y');
  add(3, 16, 'masked', 'x');
  const options = { confidence, workloads: ['w'], detectors: new Set<number>() };
  const judged = judgePatches(series, { ...options, count: 3 });
  t.match(judged[1]?.because, /"y"/);
  const branch = nextBranch(series, judged, []);
  if (branch === undefined) throw new Error('patch 1 masks the others');
  let quiet: Evidence = nothingKnown;
  const trial = { workload: 'w', state: 'heard', splats: [] } as const;
  for (const step of [0, 1, 2]) {
    quiet = learnStep(quiet, step, ready(`b${step}`));
    for (let at = 0; at < 16; at += 1) quiet = learnTrial(quiet, { ...trial, step });
  }
  const ofBranch = (evidence: Evidence) => judgePatches(evidence, { ...options, count: 2 });
  const merged = mergeBranch(judged, branch, ofBranch(quiet));
  t.equal(merged[1]?.verdict, 'inconclusive', 'the splat y may need patch 1');
  t.match(merged[1]?.because, /"y"/);
  let loud = quiet;
  for (let at = 0; at < 16; at += 1) {
    for (const step of [1, 2]) loud = learnTrial(loud, { ...trial, step, splats: [sighting('z')] });
  }
  t.equal(mergeBranch(judged, branch, ofBranch(loud))[1]?.verdict, 'introduces');
  t.end();
});
