import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type CellPlan, judgeCell, planCells } from '../../harness/plans/controls/cell.ts';
import { summarizeTimes } from '../../harness/plans/controls/detect-time.ts';
import { controlsPlan } from '../../harness/plans/controls/run-controls.ts';
import { planForks, summarizeForks } from '../../harness/plans/controls/timed.ts';
import type { AnnotationState } from '../../harness/records/controls.ts';
import type { HarnessEvent } from '../../harness/records/event.ts';
import type { TrialResult } from '../../harness/records/trial.ts';
import { tabulateControls } from '../../harness/report/controls-markdown.ts';
import { describeControls } from '../../harness/report/controls-text.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import type { Verdict } from '../../harness/verdict.ts';
import { annotationStates } from '../../patches/index.ts';
import { rules } from '../../patches/seeded-bugs.ts';
import { aSplat, aTrialResult } from '../made-records.ts';

const plans = planCells([6, 1], 'in', { seed: 1, only: [] });
const hidden = planCells([6, 12], 'in', { seed: 1, only: [] });
const find = (mode: string, notifier: string, trigger: string, among = plans): CellPlan => {
  const found = among.find(
    (plan) => plan.mode === mode && plan.notifier === notifier && plan.trigger === trigger,
  );
  if (found === undefined) throw new Error(`no cell ${mode} ${notifier} ${trigger}`);
  return found;
};

/** A trial of a cell. */
function trial(verdict: Verdict, titles: readonly string[], splatMs: number | null): TrialResult {
  return aTrialResult({
    verdict,
    splats: titles.map((title) => aSplat({ title })),
    witnesses: { 'driver.seeded': 1 },
    timings: { ...aTrialResult().timings, firstLineMs: 200, firstSplatMs: splatMs },
  });
}

const column = { kernel: 'debian:6.1', annotations: 'in' } as const;
const clean: Verdict = { kind: 'clean' };
const sleeps = 'BUG: sleeping function called from invalid context in splat_mn_take_lock';

void t.test('a cell is what its trial proves, and no more', async (t) => {
  const broken = find('sleep-mutex', 'hlist', 'mrelease');
  const kept = find('well-behaved', 'hlist', 'munmap');
  const missed = find('sleep-mutex', 'interval', 'mrelease');
  const blind = { kind: 'inconclusive', because: 'blind', message: 'lockdep is off' } as const;
  const unseen = { kind: 'inconclusive', because: 'canary-missed', message: 'no' } as const;
  const zero = { kind: 'inconclusive', because: 'unexercised', message: 'x: never' } as const;
  const splat = { kind: 'splat', titles: ['WARNING in x'] } as const;
  const rows: readonly [string, CellPlan, TrialResult, string, boolean][] = [
    ['seen as expected', broken, trial(clean, [sleeps], 900), 'caught', true],
    ['seen, and more', broken, trial(splat, [sleeps, 'WARNING in x'], 900), 'caught', false],
    ['another splat', broken, trial(splat, ['WARNING in x'], 900), 'caught', false],
    ['not seen', broken, trial(unseen, [], null), 'missed', false],
    ['never ran', broken, trial(zero, [], null), 'not-exercised', false],
    ['kept and silent', kept, trial(clean, [], null), 'silent', true],
    ['kept, and blind', kept, trial(blind, [], null), 'not-exercised', false],
    ['kept, and blamed', kept, trial(splat, ['WARNING in x'], 900), 'caught', false],
    ['known to be missed', missed, trial(clean, [], null), 'missed', true],
    ['missed for want of running', missed, trial(zero, [], null), 'not-exercised', false],
  ];
  for (const [name, plan, result, outcome, asExpected] of rows) {
    const cell = judgeCell(plan, column, result, 'x/trials/y');
    t.equal(cell.result, outcome, name);
    t.equal(cell.asExpected, asExpected, name);
  }
  t.equal(judgeCell(broken, column, trial(clean, [sleeps], 900), 'x').detectMs, 700);
  t.match(judgeCell(kept, column, trial(blind, [], null), 'x').because, /blind: lockdep is off/);
});

void t.test('what SRCU hides on 6.4 and later is a row of its own', async (t) => {
  t.equal(find('alloc-under-lock', 'hlist', 'munmap').rule.id, 9);
  const cell = find('alloc-under-lock', 'hlist', 'munmap', hidden);
  t.equal(cell.rule.id, 20);
  t.equal(cell.expected, 'missed');
  t.equal(find('alloc-under-lock', 'interval', 'munmap', hidden).rule.id, 9);
});

void t.test('rows can be chosen, and seeds depend on seed and cell alone', async (t) => {
  const few = planCells([6, 1], 'in', { seed: 1, only: [3] });
  t.strictSame(new Set(few.map(({ rule }) => rule.id)), new Set([3]));
  const [one] = few;
  t.equal(one?.trial.seed, plans.find((plan) => plan.trial.id === one?.trial.id)?.trial.seed);
  t.not(planCells([6, 1], 'in', { seed: 2, only: [3] })[0]?.trial.seed, one?.trial.seed);
});

void t.test(
  'the median of times has an interval, and what was given up counts as slow',
  async (t) => {
    const ten = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
    t.match(summarizeTimes(ten, 1000), { medianMs: 55, lowMs: 20, highMs: 90, detected: 10 });
    const half = [10, 20, 30, 40, 50, 60, null, null, null, null];
    t.match(summarizeTimes(half, 1000), { medianMs: 55, lowMs: 20, highMs: null, detected: 6 });
    const none = summarizeTimes(
      Array.from({ length: 10 }, () => null),
      1000,
    );
    t.match(none, { medianMs: null, lowMs: null, highMs: null, detected: 0, forks: 10 });
    t.match(summarizeTimes([10, 20, 30, 40, 50], 1000), { medianMs: 30, lowMs: null });
  },
);

void t.test(
  'times are measured where the series made its claim, and only when asked',
  async (t) => {
    t.equal(planForks(plans, 'in', { repeat: 1, seed: 1 }).length, 0);
    t.equal(planForks(plans, 'extended', { repeat: 3, seed: 1 }).length, 0);
    const forks = planForks(plans, 'removed', { repeat: 3, seed: 1 });
    t.equal(forks.length, 12);
    t.strictSame(new Set(forks.map(({ cell }) => cell.rule.id)), new Set([3, 9, 10, 13]));
    const results = forks.map((_, index) => trial(clean, [], index % 3 === 0 ? null : 300 + index));
    const times = summarizeForks(forks, results, column);
    t.equal(times.length, 4);
    t.match(times[0], { row: 3, forks: 3, detected: 2 });
    const silent = { kind: 'inconclusive', because: 'hung', message: 'no result' } as const;
    const some = results.map((one, at) => (at === 0 ? trial(silent, [], null) : one));
    const heard = summarizeForks(forks, some, column);
    t.match(heard[0], { forks: 2, detected: 2 }, 'a guest that fell silent is no late splat');
  },
);

void t.test(
  'a person sees the matrix, and everything that is not as expected below it',
  async (t) => {
    const broken = find('sleep-mutex', 'hlist', 'mrelease');
    const good = judgeCell(broken, column, trial(clean, [sleeps], 900), 'a/trials/sleep-mutex');
    const bad = judgeCell(
      broken,
      { ...column, annotations: 'removed' },
      trial({ kind: 'splat', titles: ['\u001B[31mevil'] }, ['\u001B[31mevil'], 900),
      'b/trials/sleep-mutex',
    );
    const text = describeControls(
      {
        schema: 'splat-controls/1',
        harness: writtenBy(),
        seed: 1,
        asExpected: false,
        columns: [
          { ...column, release: '6.1.1', imageDigest: 'a' },
          { ...column, annotations: 'removed', release: '6.1.1', imageDigest: 'b' },
        ],
        rows: [{ id: 3, name: broken.rule.name, cells: [good, bad] }],
        times: [],
        timings: { kernelsMs: 0, trialsMs: 0 },
      },
      { colour: false, dir: 'run' },
    );
    t.match(text, /^ 3 {2}mutex_lock\(\) when non-blockable$/m);
    t.match(text, /caught 0\.7 s +!caught 0\.7 s$/m);
    t.match(text, /^row 3 on debian:6\.1, removed, .*: caught, expected caught$/m);
    t.match(text, /not as expected: 1 of 2 cells/);
    t.notOk(text.includes('\u001B'));
  },
);

void t.test(
  'the matrix of docs/controls.md is that of the expectations, which e2e holds true',
  async (t) => {
    const kernels = [
      { kernel: 'debian:6.1', version: [6, 1], states: annotationStates },
      { kernel: 'debian:6.12', version: [6, 12], states: annotationStates },
      { kernel: 'debian:7.3', version: [7, 3], states: ['in'] },
    ] as const;
    const columns = kernels.flatMap(({ kernel, version, states }) =>
      states.map((annotations) => ({
        kernel,
        annotations,
        version,
        release: null,
        imageDigest: null,
      })),
    );
    const cells = columns.flatMap(({ kernel, annotations, version }) =>
      planCells(version, annotations, { seed: 1, only: [] }).map((plan) => ({
        rule: plan.rule.id,
        cell: {
          ...plan,
          kernel,
          annotations,
          result: plan.expected,
          asExpected: true,
          splats: [],
          witnesses: {},
          seed: 1,
          trial: plan.trial.id,
        },
      })),
    );
    const rows = rules.map(({ id, name }) => ({
      id,
      name,
      cells: cells.filter(({ rule }) => rule === id).map(({ cell }) => cell),
    }));
    const table = tabulateControls({ columns, rows });
    const page = await readFile(new URL('../../docs/controls.md', import.meta.url), 'utf8');
    t.ok(page.includes(table), table);
  },
);

void t.test('a state that a kernel cannot have is refused before anything is built', async (t) => {
  const dir = t.testdir({ run: {} });
  for (const [name, patchlevel] of [
    ['v6.1', 'VERSION = 6\nPATCHLEVEL = 1'],
    ['v5.15', 'VERSION = 5\nPATCHLEVEL = 15'],
  ] as const) {
    await cp('test/fakes/mini-kernel', join(dir, name), { recursive: true });
    const makefile = join(dir, name, 'Makefile');
    const text = await readFile(makefile, 'utf8');
    await writeFile(makefile, text.replace('VERSION = 6\nPATCHLEVEL = 1', patchlevel));
  }
  const events: HarnessEvent[] = [];
  const plan = async (states: readonly AnnotationState[]) =>
    controlsPlan({
      kernels: ['v6.1', 'v5.15'],
      states,
      rows: [],
      series: [],
      configs: [],
      configBase: undefined,
      repeat: 1,
      seed: 1,
      guest: 'minimal',
      accel: 'tcg',
      memoryMiB: 512,
      cpus: 1,
      parallelTrials: 1,
      cwd: dir,
      cacheRoot: join(dir, 'cache'),
      dir: join(dir, 'run'),
      signal: new AbortController().signal,
      emit: (event) => void events.push(event),
    });
  await t.rejects(plan(['in', 'removed']), {
    code: 'usage',
    message: /v5\.15: --annotations removed needs .* from 6\.1 on; .* \(--annotations in\)$/,
  });
  const stages = events.flatMap((event) => (event.kind === 'stage-start' ? [event.stage] : []));
  t.strictSame(new Set(stages), new Set(['source']));
  const { columns } = await plan(['in']);
  t.strictSame(
    columns.map(({ kernel, because = '' }) => [kernel, because.startsWith('untestable: config: ')]),
    [
      ['v6.1', true],
      ['v5.15', true],
    ],
    'both got as far as their configuration',
  );
});
