import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { makeFolder } from '../../host/disk.ts';
import { openFactLog } from '../../host/fact-log.ts';
import { valueDigest } from '../../host/store.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { openSource } from '../../kernel/source.ts';
import { buildTestKernel, pinConfigs } from '../../kernel/test-kernel.ts';
import { findNearbySuites } from '../../patch/nearby-suites.ts';
import { type PatchChanges, readChanges } from '../../patch/patch-changes.ts';
import { settlePrefixes } from '../../patch/prefix.ts';
import {
  allPatches,
  type Patch,
  parseSeries,
  readSeries,
  type Series,
} from '../../patch/series.ts';
import { checkTrailers } from '../../patch/trailers.ts';
import type { SeriesReport } from '../../records/series.ts';
import { seriesFactSchema } from '../../records/series-journal.ts';
import { chooseWorkloads } from '../../trial/choose-workloads.ts';
import { bootWorkload } from '../../trial/ready-kernel.ts';
import { openScheduler } from '../../trial/scheduler.ts';
import { writtenBy } from '../../trial/written-by.ts';
import { type Branch, mergeBranch, nextBranch, viewOf } from './branch.ts';
import { concludeSeries, findDetectors } from './conclude.ts';
import { chooseControls } from './control-workloads.ts';
import { type WatchedFunction, watchFunctions } from './coverage.ts';
import type { Evidence } from './evidence.ts';
import { evidenceOf, type SeriesLog } from './facts.ts';
import { type JudgedPatch, judgePatches } from './judge.ts';
import { type LockOrders, learnedDependencies, openLockOrders } from './lock-orders.ts';
import { keepPatches, type Recall, readPrevious, recallTrials } from './previous.ts';
import type { Asked, SeriesRequest } from './request.ts';
import { seriesTester } from './tester.ts';
import { walkSeries } from './walk.ts';

/** Limit of counted functions: each costs a prepared guest a few milliseconds. */
const mostCounted = 120;

/** Tests a series, or continues the series whose journal is in `dir`. */
export async function seriesPlan(request: SeriesRequest, asked: Asked): Promise<SeriesReport> {
  const { signal, emit, dir } = request;
  const { series, under, source, workloads, notes } = asked;
  for (const text of notes) emit({ kind: 'note', text });
  await makeFolder(dir);
  const scratch = join(dir, 'scratch');
  const changes = await readChanges(source.tree, under, series.patches, { scratch, signal });
  const own = workloads.map(({ upload }) => Buffer.from(upload ?? '').toString('latin1'));
  const diffs = [under, [series]].map((list) => allPatches(list).map(({ diff }) => diff));
  await keepPatches(dir, series.patches);
  await using log = await openFactLog(dir, {
    key: valueDigest([request.key, source.id, diffs, own, asked.configs]),
    what: 'series',
    schema: seriesFactSchema,
    harness: writtenBy(),
  });
  const recall = await openRecall(valueDigest([request.key, own, asked.configs, writtenBy()]), {
    asked,
    log,
    emit,
  });
  const names = [bootWorkload, ...workloads.map(({ workload }) => workload.name)];
  const watched = watchFunctions(changes);
  const locks = openLockOrders(dir);
  const counted = { ...request, profile: functionsToCount(watched) };
  const walk: Walk = { asked, request: counted, log, changes, names, locks, watched, recall };
  const evidence = await walkBranch(undefined, walk);
  const detectors = findDetectors(series, changes, request.detectors);
  const judged = await judgeAll(evidence, walk, detectors);
  const steps = series.patches.map(({ index }) => `patch-${index}`);
  const [, ...learned] = await learnedDependencies(
    locks,
    ['base', ...steps],
    request.limits.confidence,
  );
  const paths = new Set(changes.flatMap(({ files }) => files.map(({ path }) => path)));
  const suites = await findNearbySuites(source.tree, [...paths]);
  return concludeSeries({
    ...asked,
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
  });
}

/** Judges the series, and walks a branch for each patch that another patch's splat hides. */
async function judgeAll(
  evidence: Evidence,
  walk: Walk,
  detectors: ReadonlySet<number>,
): Promise<readonly JudgedPatch[]> {
  const { asked, request, names } = walk;
  const judge = openJudge(request, names, detectors);
  let judged = judge(
    evidence,
    asked.series.patches.map(({ index }) => index),
  );
  const tried: number[] = [];
  for (;;) {
    const branch = nextBranch(evidence, judged, tried);
    if (branch === undefined) break;
    tried.push(branch.culprit);
    request.emit({
      kind: 'note',
      text: `the splat of patch ${branch.culprit} hides later patches: they are tested again without it`,
    });
    judged = mergeBranch(judged, branch, judge(await walkBranch(branch, walk), branch.patches));
  }
  return judged;
}

/** Notes the setting of this series, and returns the trials of the earlier version that had the same. */
async function openRecall(
  setting: string,
  { asked, log, emit }: { readonly asked: Asked; readonly log: SeriesLog; readonly emit: Emit },
): Promise<Recall | undefined> {
  if (!log.facts.some(({ kind }) => kind === 'setting')) {
    await log.append({ kind: 'setting', key: setting });
  }
  const { previous } = asked;
  const recall = previous === undefined ? undefined : recallTrials(previous, setting);
  if (previous !== undefined && recall === undefined) {
    const why = 'was tried in another way (workloads, guest, seed or splat)';
    emit({ kind: 'note', text: `${previous.run} ${why}: its trials do not count` });
  }
  return recall;
}

type Judge = (known: Evidence, indices: readonly number[]) => readonly JudgedPatch[];

/**
 * Returns a function that judges the patches of the series or of a branch; `indices` are the patches that the steps
 * add.
 */
function openJudge(
  { limits }: SeriesRequest,
  workloads: readonly string[],
  detectors: ReadonlySet<number>,
): Judge {
  return (known, indices) =>
    judgePatches(known, {
      count: indices.length,
      patchOf: (step) => indices[step - 1] ?? step,
      confidence: limits.confidence,
      workloads,
      detectors: new Set(indices.flatMap((index, at) => (detectors.has(index) ? [at + 1] : []))),
    });
}

/** The changed functions first, then their callers. */
function functionsToCount(watched: readonly WatchedFunction[]): readonly string[] {
  const called = watched.flatMap(({ callers }) => callers);
  return [...new Set([...watched.map(({ name }) => name), ...called])].slice(0, mostCounted);
}

interface Walk {
  readonly asked: Asked;
  readonly request: SeriesRequest;
  readonly log: SeriesLog;
  readonly changes: readonly PatchChanges[];
  readonly names: readonly string[];
  readonly locks: LockOrders;
  readonly watched: readonly WatchedFunction[];
  readonly recall: Recall | undefined;
}

/** Walks the series, or a branch of it, and returns its evidence. */
async function walkBranch(branch: Branch | undefined, walk: Walk): Promise<Evidence> {
  const { asked, request, changes, names } = walk;
  const { patches } = asked.series;
  const view = viewOf(walk.log, branch);
  const indices = branch?.patches ?? patches.map(({ index }) => index);
  /** The patches of a prefix. */
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
      ...asked,
      log: view,
      locks: walk.locks,
      onLocks: walk.locks.add,
      watched: walk.watched,
      recall: walk.recall,
      changes: indices.map((index) => changes[index - 1]),
      nameOf,
      build: async (step, isFirst) =>
        buildPatches(patchesOf(step), asked, {
          ...request,
          check: isFirst ? sourcesAround(step, indices, changes) : [],
        }),
    }),
    parallel: openScheduler({ ...request, jobs: request.parallelTrials }).lanes,
    evidence: evidenceOf(view),
    onStep: (step) => {
      const subject = patches[(indices[step - 1] ?? 0) - 1]?.subject ?? '';
      const text = `${nameOf(step)} of ${patches.length}: ${subject}`;
      request.emit({ kind: 'note', text: step === 0 ? 'the base' : text });
    },
  });
}

/** The C files that a step changes, and those that the next one will: what the compiler says of them before. */
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

/** Reads the inputs that a request names. Throws `usage` for a missing or unsuitable input. */
export async function readAsked(request: SeriesRequest): Promise<Asked> {
  const { cwd, signal } = request;
  const { path, stdin } = request;
  const configs = await pinConfigs(request, cwd);
  const baseVersion = async (): Promise<string> =>
    (await openSource(request.base, request)).version.join('.');
  const reading = { cwd, signal, baseVersion };
  const read =
    stdin === undefined ? await readSeries(path, reading) : await parseSeries(stdin, path, reading);
  const below: Series[] = [];
  for (const one of request.baseSeries) below.push(await readSeries(one, reading));
  const last = read.patches.length;
  const wrong = request.detectors.find((index) => !(index >= 1 && index <= last));
  if (wrong !== undefined) {
    throw new HarnessError('usage', `--detector ${wrong}: the series has patches 1 to ${last}`);
  }
  const chosen = await chooseWorkloads(request.workloads, { cwd, args: [], signal });
  const source = await openSource(request.base, request);
  const under: Series[] = [];
  for (const one of below) under.push(await settlePrefixes(source.tree, under, one));
  const series = await settlePrefixes(source.tree, under, read);
  const trailers = await checkTrailers(series, under, { base: source.name, signal });
  const previous =
    request.previous === undefined ? undefined : await readPrevious(request.previous, cwd);
  return {
    ...(previous === undefined ? {} : { previous }),
    series,
    under,
    source,
    configs,
    ...chooseControls(chosen, request.workloads, source.version),
    notes: [...(series.notes ?? []), ...trailers],
  };
}

/** Builds the base with these patches of the series. */
async function buildPatches(
  patches: readonly Patch[],
  { series, under, source, configs }: Asked,
  request: SeriesRequest & { readonly check: readonly string[] },
): Promise<BuildOutcome> {
  const one: Series = { name: series.name, patches };
  const all = patches.length === 0 ? under : [...under, one];
  return buildTestKernel({ ...request, ...configs, kernel: request.base, source, series: all });
}
