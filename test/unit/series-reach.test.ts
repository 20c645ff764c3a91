import { test } from 'tap';
import type { PatchChanges } from '../../harness/patch/patch-changes.ts';
import type { Reach } from '../../harness/plans/series/classes.ts';
import { nothingKnown } from '../../harness/plans/series/evidence.ts';
import { judgePatches } from '../../harness/plans/series/judge.ts';
import { openReach } from '../../harness/plans/series/reach.ts';
import { type Tester, walkSeries } from '../../harness/plans/series/walk.ts';
import type { SeriesFact, StepState } from '../../harness/records/series-journal.ts';
import { progressWriter } from '../../harness/report/progress.ts';

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
): Reach => {
  const facts = [step(profiled), trial('hmm', calls), trial('other', { outer: 9 })];
  const log = { facts, append: async () => undefined };
  const apart = new Set(['row1']);
  const reach = openReach({ log, changes, watched, apart, standIns: new Map() });
  if (reach(0, changes.length, 'row1') !== 'unknown') throw new Error('a seeded bug');
  return reach(0, changes.length, 'hmm');
};

void test('counters tell whether a workload calls what changes, or that they cannot tell', (t) => {
  t.equal(ask([changed('outer')], ['outer'], {}), 'no', 'counted, and never called');
  t.equal(ask([changed('outer')], ['outer'], { outer: 3 }), 'yes');
  t.equal(ask([changed('inner')], ['outer'], { outer: 3 }), 'yes', 'through its caller');
  t.equal(ask([changed('inner')], ['outer'], {}), 'no');
  t.equal(ask([changed('inner')], [], {}), 'unknown', 'ftrace does not see it');
  t.equal(ask([changed('twice')], ['outer'], {}), 'unknown', 'a macro is anywhere');
  t.equal(ask([changed('outer'), changed('twice')], ['outer'], {}), 'unknown');
  t.equal(ask([changed('twice'), changed('outer')], ['outer'], { outer: 1 }), 'yes');
  t.equal(ask([changed('gone')], ['outer'], {}), 'unknown', 'a function that is not watched');
  t.equal(ask([changed()], ['outer'], {}), 'unknown', 'a structure, or an option');
  t.equal(ask([{ ...changed('outer'), outside: ['mm/x.c'] }], ['outer'], {}), 'unknown', 'besides');
  t.equal(ask([{ ...changed('outer'), atBoot: true }], ['outer'], {}), 'unknown');
  t.equal(ask([undefined], ['outer'], {}), 'unknown', 'it does not apply');
  t.equal(ask([{ ...changed(), kind: 'comments' }], ['outer'], {}), 'no');
  const reach = openReach({
    log: { facts: [step(['outer'])], append: async () => undefined },
    changes: [changed('outer'), { ...changed(), kind: 'documents' }],
    watched,
    standIns: new Map(),
    apart: new Set(),
  });
  t.equal(reach(0, 1, 'hmm'), 'unknown', 'no trial was counted yet');
  t.equal(reach(1, 2, 'hmm'), 'no');
  t.end();
});

void test('what a file calls stands for what ftrace cannot trace in it', (t) => {
  const file = 'lib/x.c';
  const names = ['migrate_vma_setup', 'hmm_range_fault', 'memremap_pages', 'kfree'];
  const called: Readonly<Record<string, readonly string[]>> = {
    hmm: names,
    munmap: ['kfree'],
    gpu: ['kfree'],
    oom: ['kfree', 'memremap_pages'],
  };
  const facts = [
    step(names),
    ...Object.entries(called).map(([workload, list]) =>
      trial(workload, Object.fromEntries(list.map((name) => [name, 1]))),
    ),
  ];
  const change: PatchChanges = {
    files: [],
    functions: [{ name: 'f', file, kind: 'function' }],
    kind: 'code',
  };
  const changes: readonly PatchChanges[] = [
    change,
    { ...change, outside: ['include/linux/x.h'] },
    { ...change, atBoot: true },
  ];
  const request = {
    log: { facts, append: async () => undefined },
    changes,
    watched: [{ name: 'f', file, callers: [], patches: [1] }],
    apart: new Set<string>(),
  };
  const reach = openReach({ ...request, standIns: new Map([[file, names]]) });
  t.strictSame(
    Object.keys(called).map((workload) => reach(0, 1, workload)),
    ['unknown', 'no', 'no', 'unknown'],
  );
  t.equal(reach(1, 2, 'munmap'), 'unknown', 'a header is anywhere');
  t.equal(reach(2, 3, 'munmap'), 'unknown', 'what runs at boot');
  const common = ['kfree', 'kvfree', 'mutex_unlock', 'mmput'];
  const counted = [...names, ...common];
  const busy = ['hmm', 'munmap', 'gpu'].map((workload) =>
    trial(
      workload,
      Object.fromEntries((workload === 'hmm' ? counted : common).map((name) => [name, 1])),
    ),
  );
  const shared = openReach({
    ...request,
    log: { ...request.log, facts: [step(counted), ...busy, trial('idle', {})] },
    standIns: new Map([[file, counted]]),
  });
  t.equal(shared(0, 1, 'hmm'), 'unknown');
  t.equal(shared(0, 1, 'munmap'), 'no', 'what all but one workload call tells nothing');
  const few = openReach({ ...request, standIns: new Map([[file, ['hmm_range_fault', 'kfree']]]) });
  t.equal(few(0, 1, 'munmap'), 'unknown', 'one function tells too little');
  t.end();
});

/** Walks four kernels; the second patch changes what hmm calls, and nothing may call what `quiet` changes. */
async function walkPlayed(reach: Tester['reach'], order: string[] = []) {
  const tried: string[] = [];
  const tester: Tester = {
    prepare: async (at) => {
      order.push(`kernel ${at}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { kind: 'ready', image: String(at), unproved: [] };
    },
    reach,
    trial: async (at, workload) => {
      order.push(`trial ${at}`);
      tried.push(`${at} ${workload}`);
      return { step: at, workload, state: 'heard', splats: [] };
    },
  };
  const limits = { confidence: 0.99, elsewhere: 2, whereReached: 7, perSplat: 50 };
  const sure: number[] = [];
  const evidence = await walkSeries({
    count: 3,
    workloads: ['boot', 'hmm', 'other'],
    limits,
    tester,
    parallel: 2,
    evidence: nothingKnown,
    onSoFar: (_known, left) => sure.push(left),
  });
  const count = (name: string): number => tried.filter((one) => one === name).length;
  const table = [0, 1, 2, 3].map((at) => ['boot', 'hmm', 'other'].map((w) => count(`${at} ${w}`)));
  return { table, sure, evidence };
}

/** The second patch changes what hmm calls. */
const called: Tester['reach'] = (from, to, workload) =>
  workload === 'hmm' && from < 2 && to >= 2 ? 'yes' : 'no';

void test('trials go where a workload may call what a patch changes', async (t) => {
  const order: string[] = [];
  const { table, sure } = await walkPlayed(called, order);
  t.strictSame(table, [
    [1, 1, 1],
    [1, 0, 0],
    [1, 7, 0],
    [1, 2, 2],
  ]);
  t.ok(order.indexOf('trial 0') < order.indexOf('kernel 2'), 'tried while others are built');
  t.strictSame(sure, [0, 0], 'nothing is left after the first answer');
  const unknown = await walkPlayed(() => 'unknown');
  t.strictSame(unknown.table.slice(1), [
    [1, 7, 7],
    [1, 7, 7],
    [1, 7, 7],
  ]);
  t.strictSame(unknown.sure, [2 * (7 + 7 + 5), 2 * (3 + 3 + 3)], 'how many are left');
});

void test('what one prefix of a class shows counts for all of it', async (t) => {
  const reach = called;
  const { evidence } = await walkPlayed(reach);
  const workloads = ['boot', 'hmm', 'other'];
  const options = { count: 3, confidence: 0.99, workloads, detectors: new Set<number>() };
  t.strictSame(
    judgePatches(evidence, { ...options, reach }).map(({ verdict }) => verdict),
    ['unaffected', 'unaffected', 'unaffected'],
  );
  t.match(judgePatches(evidence, options)[0], { verdict: 'inconclusive', because: /not tried/ });
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

void test('what is known so far is a line', (t) => {
  const lines: string[] = [];
  const write = progressWriter({ write: (text) => lines.push(text) }, false);
  const patches = [
    { index: 1, verdict: 'unaffected' },
    { index: 2, verdict: 'introduces' },
  ] as const;
  write({
    kind: 'so-far',
    patches: [...patches],
    trials: 71,
    seenAbove: 0.527,
    left: 96,
    leftMs: 170_000,
  });
  write({ kind: 'so-far', patches: [patches[0]], trials: 9, seenAbove: null, left: 0 });
  t.strictSame(lines, [
    'so far, after 71 trials: patch 2 introduces; a splat in more than 53 % of trials of a prefix would have been seen; 96 trials left, about 3 min\n',
    'so far, after 9 trials: no patch changes anything; 0 trials left\n',
  ]);
  t.end();
});
