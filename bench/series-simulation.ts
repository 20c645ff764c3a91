/**
 * Tests splat series on random series whose true answers are known: `npm run bench:series`. Prints a table in markdown. The code
 * that decides is the real one; only building and running kernels is simulated.
 *
 * A series has 3 to 20 patches. A tenth of them does not build, some of those in runs; a seventh changes no image. There are two
 * workloads, and the bugs show in only one, except where a row says otherwise. When two bugs would show in one trial, the first
 * turns the detectors off.
 */
import { parseArgs } from 'node:util';
import type { Limits } from '../harness/plans/series/decide.ts';
import { nothingKnown } from '../harness/plans/series/evidence.ts';
import { type JudgedPatch, judgePatches } from '../harness/plans/series/judge.ts';
import { defaultLimits } from '../harness/plans/series/limits.ts';
import { type Tester, walkSeries } from '../harness/plans/series/walk.ts';
import type { Sighting } from '../harness/records/series-journal.ts';
import { dice } from './dice.ts';

/** A bug in the kernels of the prefixes from `from` to before `to`. */
interface Bug {
  readonly title: string;
  readonly rate: number;
  /** The rate in the other workload. */
  readonly elsewhere: number;
  readonly from: number;
  readonly to: number;
}

interface World {
  readonly count: number;
  readonly broken: ReadonlySet<number>;
  readonly same: ReadonlySet<number>;
  readonly bugs: readonly Bug[];
  /** True when the workloads call in turn what the patches change; otherwise the first workload calls all of it. */
  readonly isShared: boolean;
  readonly random: () => number;
}

/** What a row of the table simulates. */
interface Scene {
  readonly name: string;
  /** The rate of the series' bug; absent when the series is clean. */
  readonly rate?: number;
  /** Present when a later patch of the series repairs the bug. */
  readonly cured?: true;
  /** The rates of the base's own bugs; empty when the base is clean. */
  readonly old: readonly number[];
  /** The rate of a bug of the base in the other workload; absent when it does not show there. */
  readonly elsewhere?: number;
}

const flaky = [0.02, 0.05, 0.1, 0.2, 0.5, 0.8];

const scenes: readonly Scene[] = [
  { name: 'fires always', rate: 1, old: [] },
  { name: 'fires in 1 run of 2', rate: 0.5, old: [] },
  { name: 'fires in 1 run of 5', rate: 0.2, old: [] },
  { name: 'fires in 1 run of 5, cured later', rate: 0.2, cured: true, old: [] },
  { name: 'fires always, cured later', rate: 1, cured: true, old: [] },
  { name: 'fires in 1 run of 5, base flaky', rate: 0.2, old: flaky.slice(0, 4) },
  { name: 'fires in 1 run of 20', rate: 0.05, old: [] },
  { name: 'clean, clean base', old: [] },
  { name: 'clean, flaky base', old: flaky },
  { name: 'clean, base fires in 1 run of 100', old: [0.01] },
  { name: 'clean, base fires in 1 run of 200', old: [0.005] },
  {
    name: 'clean, base fires always, and in 1 of 20 of another workload',
    old: [1],
    elsewhere: 0.05,
  },
];

function makeWorld(seed: number, scene: Scene): World & { readonly culprit: number } {
  const random = dice(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const count = 3 + below(18);
  const broken = new Set<number>();
  const same = new Set<number>();
  for (let patch = 1; patch <= count; patch += 1) {
    const after = broken.has(patch - 1);
    if (random() < (after ? 0.4 : 0.08)) broken.add(patch);
    else if (!after && random() < 1 / 7) same.add(patch);
  }
  const able = Array.from({ length: count }, (_, at) => at + 1).filter(
    (patch) =>
      !same.has(patch) &&
      Array.from({ length: count - patch + 1 }, (_, at) => patch + at).some(
        (later) => !broken.has(later),
      ),
  );
  const culprit = able[below(able.length)] ?? 0;
  const later = able.filter((patch) => patch > nextTestable(culprit, broken));
  const to = scene.cured === true ? (later[below(later.length)] ?? count + 1) : count + 1;
  const bugs: Bug[] = [];
  if (scene.rate !== undefined && culprit > 0) {
    bugs.push({ title: 'new', rate: scene.rate, elsewhere: 0, from: culprit, to });
  }
  const rate = scene.old[below(scene.old.length)];
  const { elsewhere = 0 } = scene;
  if (rate !== undefined) bugs.push({ title: 'old', rate, elsewhere, from: 0, to: count + 1 });
  return { count, broken, same, bugs, isShared: elsewhere > 0, random, culprit };
}

function nextTestable(patch: number, broken: ReadonlySet<number>): number {
  let step = patch;
  while (broken.has(step)) step += 1;
  return step;
}

function playedTester(world: World, spent: { trials: number }): Tester {
  return {
    prepare: async (step) => {
      if (world.broken.has(step)) {
        return { kind: 'broken', verdict: { kind: 'untestable', because: 'build', message: 'x' } };
      }
      if (world.same.has(step)) return { kind: 'same', why: 'image' };
      return { kind: 'ready', image: String(step), unproved: [] };
    },
    reach: (from, to, workload) => {
      if (!world.isShared) return workload === 'one' ? 'yes' : 'no';
      const rest = workload === 'one' ? 0 : 1;
      return to - from > 1 || to % 2 === rest ? 'yes' : 'no';
    },
    trial: async (step, workload) => {
      spent.trials += 1;
      const fired = world.bugs.filter(
        ({ from, to, rate, elsewhere }) =>
          step >= from &&
          step < to &&
          (workload === 'one' || elsewhere > 0) &&
          world.random() < (workload === 'one' ? rate : elsewhere),
      );
      const first = fired[Math.floor(world.random() * fired.length)];
      if (first === undefined) return { step, workload, state: 'heard', splats: [] };
      const { title } = first;
      const splat: Sighting = { key: title, title, signature: title };
      return { step, workload, state: 'masked', because: title, splats: [splat] };
    },
  };
}

/** The result of one series. */
interface Outcome {
  /** True when exactly the patch with the bug is named; for a clean series, when no patch is named. */
  readonly right: boolean;
  /** True when a patch without a bug is blamed. */
  readonly blamed: boolean;
  /** True when a patch is inconclusive, so the series is not called clean. */
  readonly open: boolean;
  readonly trials: number;
}

async function play(seed: number, scene: Scene, limits: Limits): Promise<Outcome> {
  const world = makeWorld(seed, scene);
  const spent = { trials: 0 };
  const workloads = ['one', 'two'];
  const tester = playedTester(world, spent);
  const evidence = await walkSeries({
    count: world.count,
    workloads,
    limits,
    tester,
    parallel: 2,
    evidence: nothingKnown,
  });
  const { confidence } = limits;
  const judged = judgePatches(evidence, {
    count: world.count,
    confidence,
    workloads,
    reach: tester.reach,
    detectors: new Set(),
  });
  const named = judged.filter(({ verdict }) => verdict === 'introduces');
  const expected = scene.rate === undefined ? 0 : nextTestable(world.culprit, world.broken);
  const isRight = ({ index, splats }: JudgedPatch): boolean =>
    index === expected && splats.every(({ title }) => title === 'new');
  return {
    right: named.every(isRight) && named.length === (expected === 0 ? 0 : 1),
    blamed: !named.every(isRight),
    open: judged.some(({ verdict }) => verdict === 'inconclusive'),
    trials: spent.trials,
  };
}

const { values } = parseArgs({
  options: {
    series: { type: 'string', default: '2000' },
    /** Only rows whose name contains this text. */
    only: { type: 'string', default: '' },
    /** The first seed; it differs from the seeds with which the constants were chosen. */
    first: { type: 'string', default: '0' },
  },
});
const count = Number(values.series);
const first = Number(values.first);
console.log(`${count} series a row, confidence ${defaultLimits.confidence}\n`);
console.log('| bug of the series | right | wrongly blamed | left open | trials, median |');
console.log('|---|---|---|---|---|');
for (const [row, scene] of scenes.entries()) {
  if (!scene.name.includes(values.only)) continue;
  const outcomes: Outcome[] = [];
  for (let at = 0; at < count; at += 1) {
    outcomes.push(await play(row * 1_000_003 + first + at, scene, defaultLimits));
  }
  const share = (field: 'right' | 'blamed' | 'open'): string =>
    `${((100 * outcomes.filter((one) => one[field]).length) / count).toFixed(2)} %`;
  const trials = outcomes.map((one) => one.trials).toSorted((a, b) => a - b)[count >> 1];
  console.log(
    `| ${scene.name} | ${share('right')} | ${share('blamed')} | ${share('open')} | ${trials} |`,
  );
}
