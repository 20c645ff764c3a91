import { join } from 'node:path';
import { makeFolder } from '../../host/disk.ts';
import { openFactLog } from '../../host/fact-log.ts';
import { valueDigest } from '../../host/store.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { buildTestKernel } from '../../kernel/test-kernel.ts';
import { findNearbySuites } from '../../patch/nearby-suites.ts';
import { type PatchChanges, readChanges } from '../../patch/patch-changes.ts';
import { allPatches, type Patch, type Series } from '../../patch/series.ts';
import type { SeriesReport } from '../../records/series.ts';
import { seriesFactSchema } from '../../records/series-journal.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { bootWorkload } from '../../trial/ready-kernel.ts';
import { openScheduler } from '../../trial/scheduler.ts';
import { type Branch, mergeBranch, nextBranch, viewOf } from './branch.ts';
import type { ReachOf } from './classes.ts';
import { concludeSeries, findDetectors } from './conclude.ts';
import { standInsOf, type WatchedFunction, watchFunctions } from './coverage.ts';
import type { Evidence } from './evidence.ts';
import { evidenceOf, type SeriesLog } from './facts.ts';
import { type JudgedPatch, judgePatches } from './judge.ts';
import { type LockOrders, learnedDependencies, openLockOrders } from './lock-orders.ts';
import { openRecall, requireSetting } from './open-recall.ts';
import { keepPatches, type Recall } from './previous.ts';
import { openReach } from './reach.ts';
import type { SeriesInputs, SeriesRequest } from './request.ts';
import { seriesTester } from './tester.ts';
import { type WalkRequest, walkSeries } from './walk.ts';
import { describeWorkloads } from './workload-trials.ts';

/**
 * The calls of at most this many changed functions and callers are counted, and of at most as many stand-ins (standInsOf()). Each
 * costs a guest some ms.
 */
const mostCounted = 120;

/**
 * Tests a series. Continues an interrupted test when `request.dir` has its journal. Throws `usage` when the journal there belongs
 * to another request.
 */
export async function seriesPlan(
  request: SeriesRequest,
  inputs: SeriesInputs,
): Promise<SeriesReport> {
  const { signal, emit, dir } = request;
  const { series, under, source, workloads, notes } = inputs;
  for (const text of notes) emit({ kind: 'note', text });
  await makeFolder(dir);
  const scratch = join(dir, 'scratch');
  const changes = await readChanges(source.tree, under, series.patches, { scratch, signal });
  const own = workloads.map(({ upload }) => Buffer.from(upload ?? '').toString('latin1'));
  const diffs = [under, [series]].map((list) => allPatches(list).map(({ diff }) => diff));
  await using log = await openFactLog(dir, {
    key: valueDigest([request.key, source.id, diffs, own, inputs.configs]),
    what: 'series',
    schema: seriesFactSchema,
    harness: writtenBy(),
  });
  const setting = valueDigest([request.key, own, inputs.configs, writtenBy()]);
  requireSetting(log, setting, dir);
  // The patches are written only now, because the journal has just shown that the folder belongs to this series.
  await keepPatches(dir, series.patches);
  const recall = await openRecall(setting, { inputs, log, emit });
  const names = [bootWorkload, ...workloads.map(({ workload }) => workload.name)];
  const watched = watchFunctions(changes);
  const locks = openLockOrders(dir);
  const standIns = standInsOf(changes);
  const counted = { ...request, profile: functionsToCount(watched, standIns) };
  const detectors = findDetectors(series, changes, request.detectors);
  const facts = { changes, names, locks, watched, standIns, recall, detectors };
  const walk: Walk = { inputs, request: counted, log, ...facts };
  const evidence = await walkBranch(undefined, walk);
  const judged = await judgeAll(evidence, walk);
  const steps = series.patches.map(({ index }) => `patch-${index}`);
  const [, ...learned] = await learnedDependencies(
    locks,
    ['base', ...steps],
    request.limits.confidence,
  );
  const paths = new Set(changes.flatMap(({ files }) => files.map(({ path }) => path)));
  const suites = await findNearbySuites(source.tree, [...paths]);
  return concludeSeries({
    ...inputs,
    learned,
    request,
    changes,
    log,
    evidence,
    judged,
    detectors,
    names,
    watched,
    suites,
    recall,
    reach: reachOf(undefined, walk),
  });
}

/**
 * Judges the patches. When the splat of an earlier patch masks later patches, the later patches are tested again without
 * the earlier patch.
 */
async function judgeAll(evidence: Evidence, walk: Walk): Promise<readonly JudgedPatch[]> {
  const { request } = walk;
  const judge = openJudge(walk);
  let judged = judge(evidence, undefined);
  const tried: number[] = [];
  for (;;) {
    const branch = nextBranch(evidence, judged, tried);
    if (branch === undefined) break;
    tried.push(branch.culprit);
    request.emit({
      kind: 'note',
      text: `the splat of patch ${branch.culprit} hides later patches: they are tested again without it`,
    });
    judged = mergeBranch(judged, branch, judge(await walkBranch(branch, walk), branch));
  }
  return judged;
}

type Judge = (known: Evidence, branch: Branch | undefined) => readonly JudgedPatch[];

/** Returns a function that judges the patches of the series. With `branch` it judges the patches of this branch. */
function openJudge(walk: Walk): Judge {
  const { request, names, inputs, detectors } = walk;
  const ofSeries = reachOf(undefined, walk);
  return (known, branch) => {
    const indices = branch?.patches ?? inputs.series.patches.map(({ index }) => index);
    return judgePatches(known, {
      count: indices.length,
      patchOf: (step) => indices[step - 1] ?? step,
      confidence: request.limits.confidence,
      workloads: names,
      reach: branch === undefined ? ofSeries : reachOf(branch, walk),
      detectors: new Set(indices.flatMap((index, at) => (detectors.has(index) ? [at + 1] : []))),
    });
  };
}

/** The functions whose calls are counted: at most 120 changed functions and callers of these, then at most 120 stand-ins. */
function functionsToCount(
  watched: readonly WatchedFunction[],
  standIns: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const called = watched.flatMap(({ callers }) => callers);
  const own = [...new Set([...watched.map(({ name }) => name), ...called])].slice(0, mostCounted);
  const others = [...standIns.values()].flat().slice(0, mostCounted);
  return [...new Set([...own, ...others])];
}

interface Walk {
  readonly inputs: SeriesInputs;
  readonly request: SeriesRequest;
  readonly log: SeriesLog;
  readonly changes: readonly PatchChanges[];
  readonly names: readonly string[];
  readonly locks: LockOrders;
  readonly watched: readonly WatchedFunction[];
  readonly standIns: ReadonlyMap<string, readonly string[]>;
  readonly recall: Recall | undefined;
  readonly detectors: ReadonlySet<number>;
}

/**
 * Tests all kernels of the series, or of `branch` if there is one. Returns the evidence, including what the journal already had.
 */
async function walkBranch(branch: Branch | undefined, walk: Walk): Promise<Evidence> {
  const { inputs, request, changes, names } = walk;
  const { patches } = inputs.series;
  const view = viewOf(walk.log, branch);
  const indices = branch?.patches ?? patches.map(({ index }) => index);
  /** The patches that the kernel of a step has. */
  const patchesOf = (step: number): readonly Patch[] => {
    if (branch !== undefined && step === 0) return patches.slice(0, branch.base);
    const under = branch === undefined ? [] : patches.slice(0, branch.culprit - 1);
    return [...under, ...indices.slice(0, step).flatMap((index) => patches[index - 1] ?? [])];
  };
  const suffix = branch === undefined ? '' : `-${branch.name}`;
  const nameOf = (step: number): string => {
    const index = indices[step - 1];
    if (index !== undefined) return `patch-${index}${suffix}`;
    return branch === undefined || branch.base === 0 ? 'base' : `patch-${branch.base}`;
  };
  return walkSeries({
    count: indices.length,
    workloads: names,
    limits: request.limits,
    tester: seriesTester({
      ...request,
      ...inputs,
      log: view,
      locks: walk.locks,
      onLocks: walk.locks.add,
      reach: reachOf(branch, walk),
      recall: walk.recall,
      changes: indices.map((index) => changes[index - 1]),
      nameOf,
      build: async (step, isFirst) =>
        buildPatches(patchesOf(step), inputs, {
          ...request,
          check: isFirst ? sourcesAround(step, indices, changes) : [],
        }),
    }),
    parallel: openScheduler({ ...request, jobs: request.parallelTrials }).lanes,
    evidence: evidenceOf(view),
    ...(branch === undefined ? { onSoFar: soFarTeller(walk) } : {}),
    onStep: (step) => {
      const subject = patches[(indices[step - 1] ?? 0) - 1]?.subject ?? '';
      const text = `${nameOf(step)} of ${patches.length}: ${subject}`;
      request.emit({ kind: 'note', text: step === 0 ? 'the base' : text });
    },
  });
}

/** Returns a function that emits the verdicts so far, and the remaining time at the pace of the latest trials. */
function soFarTeller(walk: Walk): NonNullable<WalkRequest['onSoFar']> {
  const { request, log, names } = walk;
  const judge = openJudge(walk);
  const reach = reachOf(undefined, walk);
  const { lanes } = openScheduler({ ...request, jobs: request.parallelTrials });
  return (evidence, left) => {
    const heard = describeWorkloads({ evidence, names, reach });
    const bounds = heard.flatMap(({ curedSeenAbove }) => curedSeenAbove ?? []);
    const paces = log.facts
      .flatMap((fact) => (fact.kind === 'trial' && fact.reused !== true ? [fact.seconds] : []))
      .slice(-latestTrials);
    const pace = paces.reduce((sum, seconds) => sum + seconds, 0) / paces.length;
    request.emit({
      kind: 'so-far',
      patches: judge(evidence, undefined).map(({ index, verdict }) => ({ index, verdict })),
      trials: evidence.trials.length,
      seenAbove: bounds.length === 0 ? null : Math.max(...bounds),
      left,
      ...(paces.length === 0 ? {} : { leftMs: Math.round((left * pace * 1000) / lanes) }),
    });
  };
}

/** The remaining time is estimated from this many of the latest trials. Reused trials do not count. */
const latestTrials = 20;

/**
 * Returns a function that tells whether a workload calls code that the patches of the series, or of `branch`, change. The function
 * reads the call counters of all trials so far.
 */
function reachOf(
  branch: Branch | undefined,
  { inputs, log, changes, watched, standIns }: Walk,
): ReachOf {
  const { series, apart } = inputs;
  const indices = branch?.patches ?? series.patches.map(({ index }) => index);
  const own = indices.map((index) => changes[index - 1]);
  return openReach({ log, changes: own, watched, standIns, apart });
}

/**
 * The C files to compile again for warnings: those that the patch of a step adds or changes, and those that the next patch will
 * change or delete. The warnings in the latter must be known before the next patch is applied.
 */
function sourcesAround(
  step: number,
  indices: readonly number[],
  changes: readonly PatchChanges[],
): readonly string[] {
  const sources = (index: number | undefined, side: 'before' | 'after'): readonly string[] =>
    (changes[(index ?? 0) - 1]?.files ?? []).flatMap((file) =>
      file.path.endsWith('.c') && file[side] !== undefined ? [file.path] : [],
    );
  return [
    ...new Set([...sources(indices[step - 1], 'after'), ...sources(indices[step], 'before')]),
  ];
}

/** Builds the base, including the patches of `--base-series`, with these patches of the series. */
async function buildPatches(
  patches: readonly Patch[],
  { series, under, source, configs }: SeriesInputs,
  request: SeriesRequest & { readonly check: readonly string[] },
): Promise<BuildOutcome> {
  const one: Series = { name: series.name, patches };
  const all = patches.length === 0 ? under : [...under, one];
  return buildTestKernel({ ...request, ...configs, kernel: request.base, source, series: all });
}
