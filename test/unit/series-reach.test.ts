import { test } from 'tap';
import type { PatchChanges } from '../../harness/patch/patch-changes.ts';
import { nothingKnown } from '../../harness/plans/series/evidence.ts';
import { judgePatches } from '../../harness/plans/series/judge.ts';
import { mayReach } from '../../harness/plans/series/reach.ts';
import { type Tester, walkSeries } from '../../harness/plans/series/walk.ts';
import type { SeriesFact, StepState } from '../../harness/records/series-journal.ts';

const changed = (...names: readonly string[]): PatchChanges => ({
  files: [],
  functions: names.map((name) => ({
    name,
    file: 'mm/x.c',
    kind: name === 'twice' ? 'macro' : 'function',
  })),
  kind: 'code',
});

const watched = ['outer', 'inner'].map((name, at) => ({
  name,
  file: 'mm/x.c',
  callers: name === 'inner' ? ['outer'] : [],
  patches: [at + 1],
}));

const step = (profiled: readonly string[]): SeriesFact => ({
  kind: 'step',
  step: 1,
  state: { kind: 'ready', image: 'x', unproved: [] },
  seconds: 1,
  profiled,
});

const trial = (workload: string, calls: Readonly<Record<string, number>>): SeriesFact => ({
  kind: 'trial',
  trial: { step: 1, workload, state: 'heard', splats: [] },
  folder: '',
  calls,
  seconds: 1,
});

const ask = (
  changes: readonly (PatchChanges | undefined)[],
  profiled: readonly string[],
  calls: Readonly<Record<string, number>>,
): boolean => {
  const facts = [step(profiled), trial('hmm', calls), trial('other', { outer: 9 })];
  const log = { facts, append: async () => undefined };
  return mayReach({ log, step: 1, workload: 'hmm', changes, watched });
};

void test('a workload that calls nothing of what changes needs no more trials; what cannot be told does', (t) => {
  t.equal(ask([changed('outer')], ['outer'], {}), false, 'counted, and never called');
  t.equal(ask([changed('outer')], ['outer'], { outer: 3 }), true, 'called');
  t.equal(ask([changed('inner')], ['outer'], { outer: 3 }), true, 'called through its caller');
  t.equal(ask([changed('inner')], ['outer'], {}), false);
  t.equal(ask([changed('inner')], [], {}), true, 'ftrace does not see it');
  t.equal(ask([changed('outer'), changed('twice')], ['outer'], {}), true, 'a macro is anywhere');
  t.equal(ask([changed('gone')], ['outer'], {}), true, 'a function that is not watched');
  t.equal(ask([changed()], ['outer'], {}), true, 'a structure, or an option');
  t.equal(ask([undefined], ['outer'], {}), true, 'not known');
  t.equal(ask([{ ...changed(), kind: 'comments' }], ['outer'], {}), false);
  t.end();
});

void test('a prefix gets the trials of the whole where a workload may reach what it changes, and so does the base', async (t) => {
  const tried: string[] = [];
  const tester: Tester = {
    prepare: async (at) => ({ kind: 'ready', image: String(at), unproved: [] }),
    mayReach: (at, workload) => at === 2 && workload === 'hmm',
    trial: async (at, workload) => {
      tried.push(`${at} ${workload}`);
      return { step: at, workload, state: 'heard', splats: [] };
    },
  };
  const limits = { confidence: 0.99, perPrefix: 2, atHead: 4, whereReached: 7, perSplat: 50 };
  await walkSeries({
    count: 3,
    workloads: ['hmm', 'other'],
    limits,
    tester,
    parallel: 2,
    evidence: nothingKnown,
  });
  const count = (name: string): number => tried.filter((one) => one === name).length;
  t.strictSame(
    [0, 1, 2, 3].map((at) => [count(`${at} hmm`), count(`${at} other`)]),
    [
      [7, 2],
      [2, 2],
      [7, 2],
      [4, 4],
    ],
  );
});

const ready = (image: string): StepState => ({ kind: 'ready', image, unproved: [] });

void test('a branch speaks of patches by their numbers in the series', (t) => {
  const patches = [1, 2, 4, 5];
  const verdict = { kind: 'untestable', because: 'build', message: 'a.c:1: no' } as const;
  const judged = judgePatches(
    {
      steps: new Map<number, StepState>([
        [0, ready('a')],
        [1, ready('b')],
        [2, ready('c')],
        [3, { kind: 'broken', verdict }],
        [4, { kind: 'same', why: 'image' }],
      ]),
      trials: [],
    },
    {
      count: 4,
      confidence: 0.99,
      workloads: [],
      detectors: new Set(),
      patchOf: (at) => patches[at - 1] ?? at,
    },
  );
  t.match(judged[3]?.because, /^repairs the build that patch 4 broke/);
  t.end();
});
