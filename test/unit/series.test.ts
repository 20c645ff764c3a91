import { test } from 'tap';
import {
  type Evidence,
  learnStep,
  nothingKnown,
  placesOf,
  type StepState,
  type Trial,
} from '../../harness/plans/series/evidence.ts';
import {
  exitCodeOfSeries,
  type JudgedPatch,
  judgePatches,
} from '../../harness/plans/series/judge.ts';
import { defaultLimits } from '../../harness/plans/series/limits.ts';
import { locate, mostTelling, openBits } from '../../harness/plans/series/presence.ts';
import { type Tester, walkSeries } from '../../harness/plans/series/walk.ts';
import type { Untestable } from '../../harness/verdict.ts';

const tally = (hits: number, misses: number) => ({ hits, misses });

void test('trials say where along a series a splat came and went', (t) => {
  const quiet = tally(0, 40);
  const loud = tally(40, 0);
  const clear = locate([quiet, quiet, loud, loud, quiet]);
  t.ok((clear.came[2] ?? 0) > 0.999, 'it came with the second patch');
  t.ok((clear.went[4] ?? 0) > 0.999, 'and went with the fourth');
  t.ok(clear.rate > 0.95);
  t.ok(openBits(clear) < 0.01);
  const again = locate([loud, quiet, loud]);
  t.ok((again.came[2] ?? 0) > 0.99 && (again.went[1] ?? 0) > 0.99, 'it may come back');
  const old = locate([tally(1, 9), tally(0, 2), tally(2, 18)]);
  t.ok((old.came[2] ?? 1) < 0.2, 'rare on the base, rare later: nobody brought it');
  t.equal(old.present[0], 1);
  const once = locate([tally(0, 1), tally(1, 0)]);
  t.ok((once.came[1] ?? 0) < 0.95, 'one trial of each proves nothing');
  for (const { present, came, went } of [clear, again, old, once, locate([tally(1, 1)])]) {
    const chances = [...present, ...came, ...went];
    t.ok(chances.every((chance) => chance >= 0 && chance <= 1));
  }
  t.equal(locate([]).present.length, 0);
  t.end();
});

void test('the next trial is where it tells most', (t) => {
  const suspicious = [tally(0, 2), tally(0, 2), tally(0, 2), tally(5, 5), tally(5, 5)];
  t.equal(
    mostTelling(suspicious, () => true),
    2,
    'before the first sighting',
  );
  t.equal(
    mostTelling(suspicious, (place) => place === 0),
    0,
    'of those that can be tried',
  );
  t.equal(
    mostTelling(suspicious, () => false),
    undefined,
  );
  t.end();
});

/** What a made-up kernel does in each of its trials: titles it prints; `deaf` is a trial that proves nothing. */
type Behaviour = 'broken' | 'boot' | 'same' | 'deaf' | readonly string[];

const untestable: Untestable = { kind: 'untestable', because: 'build', message: 'a.c:1: no' };

function played(series: readonly Behaviour[], tried: string[] = []): Tester {
  const state = (step: number): StepState => {
    const one = series[step];
    if (one === 'broken') return { kind: 'broken', verdict: untestable };
    if (one === 'boot') return { kind: 'broken', verdict: { ...untestable, because: 'boot' } };
    if (one === 'same') return { kind: 'same', why: 'comments' };
    return { kind: 'ready', image: String(step), unproved: [] };
  };
  return {
    prepare: async (step) => state(step),
    trial: async (step, workload): Promise<Trial> => {
      tried.push(`${step} ${workload}`);
      const one = series[step];
      if (one === 'deaf') return { step, workload, state: 'void', because: 'hung', splats: [] };
      const titles = workload === 'munmap' && Array.isArray(one) ? (one as string[]) : [];
      const splats = titles.map((title) => ({ key: title, title, signature: title }));
      const because = titles.length === 0 ? {} : { because: titles.join() };
      return {
        step,
        workload,
        state: titles.length === 0 ? 'heard' : 'masked',
        ...because,
        splats,
      };
    },
  };
}

const workloads = ['munmap', 'mrelease'];

async function walk(
  series: readonly Behaviour[],
  evidence: Evidence = nothingKnown,
  tried: string[] = [],
) {
  const count = series.length - 1;
  const tester = played(series, tried);
  const request = { count, workloads, limits: defaultLimits, tester, parallel: 2, evidence };
  const found = await walkSeries(request);
  const { confidence } = defaultLimits;
  const detectors = new Set([9]);
  const patches = judgePatches(found, { count, confidence, workloads, detectors });
  return { found, patches, exitCode: exitCodeOfSeries(found.steps.get(0), patches) };
}

const phrases = (patches: readonly JudgedPatch[]): readonly string[] =>
  patches.map(({ verdict, splats }) => [verdict, ...splats.map(({ title }) => title)].join(' '));

void test('every patch gets its verdict, against the last prefix that could be tested', async (t) => {
  const { patches, exitCode } = await walk([
    [],
    [],
    'same',
    'broken',
    'broken',
    [],
    ['deadlock'],
    [],
    'boot',
    ['deadlock in b'],
    [],
  ]);
  t.strictSame(phrases(patches), [
    'unaffected',
    'unaffected',
    'untestable',
    'untestable',
    'unaffected',
    'introduces deadlock',
    'fixes deadlock',
    'untestable',
    'exposes deadlock in b',
    'fixes deadlock in b',
  ]);
  t.equal(exitCode, 1);
  const because = patches.map((patch) => patch.because);
  t.match(because[1], /comments alone: not run again/);
  t.match(because[3], /since patch 3/);
  t.match(because[4], /repairs the build that patch 3 broke/);
  t.match(because[8], /it, or patch 8, which cannot be tested by itself/);
  t.strictSame(
    patches.flatMap(({ breaks, index }) => (breaks ? [index] : [])),
    [3, 8],
    'who broke it, not who came after',
  );
  for (const { confidence, rate } of patches.flatMap(({ splats }) => splats)) {
    t.ok(confidence >= 0.99 && rate > 0.9);
  }
});

void test('what proves nothing is inconclusive, and old splats are nobody\u2019s', async (t) => {
  const masked = await walk([['old'], ['old'], ['old']]);
  t.strictSame(phrases(masked.patches), ['inconclusive', 'inconclusive']);
  t.match(masked.patches[0]?.because, 'munmap: masked: old');
  t.equal(masked.exitCode, 125);
  const deaf = await walk([[], 'deaf', []]);
  t.strictSame(phrases(deaf.patches), ['inconclusive', 'unaffected']);
  const noBase = await walk(['broken', []]);
  t.strictSame(phrases(noBase.patches), ['inconclusive']);
  t.equal(noBase.exitCode, 125);
  const clean = await walk([[], [], []]);
  t.equal(clean.exitCode, 0);
  const repaired = await walk([[], 'broken', []]);
  t.equal(repaired.exitCode, 1, 'a break counts even when a later patch repairs it');
  const unseen = learnStep(nothingKnown, 1, { kind: 'ready', image: 'x', unproved: ['sleep'] });
  const lame = await walk([[], []], unseen);
  t.match(lame.patches, [{ verdict: 'inconclusive', because: 'canary-missed: sleep' }]);
});

void test('a walk goes on where it stopped, and runs no image twice', async (t) => {
  const tried: string[] = [];
  const series: readonly Behaviour[] = [[], 'same', [], ['deadlock'], ['deadlock']];
  const whole = await walk(series, nothingKnown, tried);
  t.strictSame(placesOf(whole.found), [0, 2, 3, 4]);
  t.notOk(tried.some((line) => line.startsWith('1 ')));
  for (const length of [0, 3, 9]) {
    const steps = new Map([...whole.found.steps].filter(([step]) => step <= length / 3));
    const trials = whole.found.trials.slice(0, length).filter(({ step }) => steps.has(step));
    const again: string[] = [];
    const rest = await walk(series, { steps, trials }, again);
    t.strictSame(phrases(rest.patches), phrases(whole.patches), `after ${length} trials`);
    t.ok(again.length + trials.length <= tried.length + 2, 'nothing is run again');
  }
});
