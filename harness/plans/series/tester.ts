import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { throwIfAborted } from '../../host/process.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { SplatCount } from '../../records/finding.ts';
import type { BuildNote, PrefixTrial, Sighting, StepState } from '../../records/series-journal.ts';
import type { TrialResult } from '../../records/trial.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { decodeSplats } from '../../trial/decode.ts';
import {
  bootWorkload,
  type CommitTrialsRequest,
  type Preparation,
  prepareCommit,
  type ReadyCommit,
} from '../../trial/ready-kernel.ts';
import { isNotRun, verdictPhrase } from '../../verdict.ts';
import { couldShowSplat, splatsOf } from '../bisection/target-splat.ts';
import type { ReachOf } from './classes.ts';
import { buildOf, noteBuild, type SeriesLog } from './facts.ts';
import type { LockOrders } from './lock-orders.ts';
import type { Recall } from './previous.ts';
import { noteAccel, recallPrefix } from './recall-prefix.ts';
import type { Tester } from './walk.ts';

export interface SeriesTesterRequest extends CommitTrialsRequest {
  readonly log: SeriesLog;
  readonly workloads: readonly ChosenWorkload[];
  /**
   * The workloads that are rows of `splat controls`, each with a seeded bug. A splat in such a workload never counts as equal to a
   * splat in another workload: the seeded bugs share functions of one driver, so different bugs may have equal titles.
   */
  readonly apart: ReadonlySet<string>;
  /**
   * Builds the kernel with the first `step` patches. With `isFirst`, also compiles C files that this patch or the next patch
   * changes, a second time and with `make W=1`.
   */
  readonly build: (step: number, isFirst: boolean) => Promise<BuildOutcome>;
  /** What each patch changes, at its index from 0; undefined for the first patch that does not apply, and for all after it. */
  readonly changes: readonly (PatchChanges | undefined)[];
  /** Returns the name of the kernel with the first `step` patches, such as `patch-3`, for its trials' folders and seeds. */
  readonly nameOf: (step: number) => string;
  readonly locks: LockOrders;
  /** The trials of an earlier version of the series; undefined when no such trials count. */
  readonly recall: Recall | undefined;
  readonly reach: ReachOf;
}

/** The tester that builds, boots and tries the kernels of a series, and writes each step and each trial to the journal. */
export function seriesTester(request: SeriesTesterRequest): Tester {
  const ready = new Map<number, Promise<ReadyPrefix>>();
  const recall = async (step: number): Promise<ReadyPrefix> => {
    // When a series is continued, its kernels come from the cache or are built again.
    const known =
      ready.get(step) ??
      request.build(step, false).then(async (built) => boot(step, built, request));
    ready.set(step, known);
    return known;
  };
  const reported = new Set(
    request.log.facts.flatMap((fact) => (fact.kind === 'report' ? [fact.key] : [])),
  );
  return {
    reach: request.reach,
    prepare: async (step, before) => {
      const startedAt = performance.now();
      const prepared = await prepareStep(step, before, request, ready);
      const seconds = (performance.now() - startedAt) / 1000;
      await request.log.append({ kind: 'step', step, ...prepared, seconds });
      return prepared.state;
    },
    recall: async (step) => recallPrefix(step, request, reported),
    trial: async (step, workload, index) => {
      const startedAt = performance.now();
      const prefix = await recall(step);
      const { trial, folder, splats, calls } = await tryOnce(
        prefix,
        { step, workload, index },
        request,
      );
      const seconds = (performance.now() - startedAt) / 1000;
      const counted = Object.keys(calls).length === 0 ? {} : { calls };
      await request.locks.save();
      await request.log.append({ kind: 'trial', trial, folder, ...counted, seconds });
      for (const [at, { key }] of trial.splats.entries()) {
        const splat = splats[at];
        if (splat === undefined || reported.has(key)) continue;
        reported.add(key);
        const [decoded] = await decodeSplats([splat], prefix.vmlinux, request.signal);
        const text = decoded?.text ?? splat.text;
        await request.log.append({ kind: 'report', key, step, workload, text });
      }
      return trial;
    },
  };
}

interface ReadyPrefix {
  readonly commit: ReadyCommit;
  readonly vmlinux: string;
}

async function boot(
  step: number,
  built: BuildOutcome,
  request: SeriesTesterRequest,
): Promise<ReadyPrefix> {
  const prepared = await prepareCommit(request.nameOf(step), built, request);
  if (prepared.kind === 'untestable' || built.kind === 'untestable') {
    const why = prepared.kind === 'untestable' ? prepared.verdict.message : '';
    throw new HarnessError(
      'infra',
      `${request.nameOf(step)} could be tested before and cannot be tested now: ${why}`,
    );
  }
  if (buildOf(request.log, step)?.image !== built.kernel.imageDigest) {
    const next = 'the compiler or splat may have changed; name a new folder with --out';
    throw new HarnessError(
      'usage',
      `the kernel image of ${request.nameOf(step)} differs from the image in the journal: ${next}`,
    );
  }
  return { commit: prepared.commit, vmlinux: built.kernel.vmlinux };
}

interface Prepared {
  readonly state: StepState;
  readonly build?: BuildNote;
  readonly profiled?: readonly string[];
}

async function prepareStep(
  step: number,
  before: number | undefined,
  request: SeriesTesterRequest,
  ready: Map<number, Promise<ReadyPrefix>>,
): Promise<Prepared> {
  const { log, changes, signal } = request;
  const kind = step === 0 ? 'code' : changes[step - 1]?.kind;
  const isWhole = before !== undefined && isTestable(log, step - 1);
  if (kind === 'documents' && isWhole) return { state: { kind: 'same', why: 'documents' } };
  const built = await request.build(step, true);
  throwIfAborted(signal);
  if (built.kind === 'untestable') return { state: { kind: 'broken', verdict: built.verdict } };
  const build = noteBuild(built);
  if (before !== undefined) {
    const why = sameKernel(step, build.image, request);
    if (why !== undefined) return { state: { kind: 'same', why }, build };
  }
  const recalled = request.recall?.find(build.image)?.step;
  if (recalled !== undefined) {
    await noteAccel(log, request.recall?.accel);
    const { state, profiled } = recalled;
    return { state, build, ...(profiled === undefined ? {} : { profiled }) };
  }
  return bootFirst(step, { built, build }, request, ready);
}

/**
 * Why a kernel counts as equal to the last testable kernel before it: an equal image, or a patch that changes only comments.
 * Undefined when the kernels may differ.
 */
function sameKernel(
  step: number,
  image: string,
  { log, changes }: SeriesTesterRequest,
): 'image' | 'comments' | undefined {
  if (lastImage(log, step) === image) return 'image';
  return changes[step - 1]?.kind === 'comments' && isTestable(log, step - 1)
    ? 'comments'
    : undefined;
}

interface BuiltPrefix {
  readonly built: Extract<BuildOutcome, { kind: 'built' }>;
  readonly build: BuildNote;
}

/**
 * Boots a new kernel and tries whether it shows its seeded bugs. A kernel that does not boot is `broken`. `unproved` lists the
 * seeded bugs that the kernel does not show.
 */
async function bootFirst(
  step: number,
  { built, build }: BuiltPrefix,
  request: SeriesTesterRequest,
  ready: Map<number, Promise<ReadyPrefix>>,
): Promise<Prepared> {
  const prepared: Preparation = await prepareCommit(request.nameOf(step), built, request);
  if (prepared.kind === 'untestable') {
    return { state: { kind: 'broken', verdict: prepared.verdict }, build };
  }
  const { commit } = prepared;
  ready.set(step, Promise.resolve({ commit, vmlinux: built.kernel.vmlinux }));
  await noteAccel(request.log, commit.accel);
  const unproved = await commit.missedCanaries();
  const { profiled } = commit;
  return { state: { kind: 'ready', image: build.image, unproved }, build, profiled };
}

function isTestable(log: SeriesLog, step: number): boolean {
  return log.facts.some(
    (fact) => fact.kind === 'step' && fact.step === step && fact.state.kind !== 'broken',
  );
}

/** The image of the last testable kernel before `step` that was built; undefined when there is none. */
function lastImage(log: SeriesLog, step: number): string | undefined {
  for (let at = step - 1; at >= 0; at -= 1) {
    const image = isTestable(log, at) ? buildOf(log, at)?.image : undefined;
    if (image !== undefined) return image;
  }
  return undefined;
}

interface Tried {
  readonly trial: PrefixTrial;
  readonly folder: string;
  /** The report of each splat of the trial; undefined for silence, which counts as a splat but has no report. */
  readonly splats: readonly (SplatCount | undefined)[];
  readonly calls: Readonly<Record<string, number>>;
}

async function tryOnce(
  { commit }: ReadyPrefix,
  asked: { readonly step: number; readonly workload: string; readonly index: number },
  request: SeriesTesterRequest,
): Promise<Tried> {
  const { step, workload, index } = asked;
  const sightings = (splats: readonly Omit<Sighting, 'key'>[]): readonly Sighting[] =>
    splats.map(({ title, signature }) => {
      // In a row of the controls, splats are told apart by their titles: lockdep may report any of several cycles of one bug.
      const isApart = request.apart.has(workload);
      const name = isApart ? `${workload} ${title}` : signature || title;
      return { key: name, title, signature };
    });
  if (workload === bootWorkload) {
    const splats = await commit.bootAgain(index);
    const state = bootState(splats);
    const seen = sightings(splats ?? []);
    const trial = { step, workload, ...state, splats: seen };
    return { trial, folder: '', splats: splats ?? [], calls: {} };
  }
  const chosen = request.workloads.find((one) => one.workload.name === workload);
  if (chosen === undefined)
    throw new HarnessError('internal', `the series run has no workload ${workload}`);
  const result = await commit.run(chosen, index);
  const named = splatsOf(result);
  // A row of the controls only has to show its own splat. No other splat is looked for, so this splat masks nothing.
  const isAnswer = request.apart.has(workload) && named.length > 0;
  const state = isAnswer ? ({ state: 'heard' } as const) : trialState(result, named);
  const trial = { step, workload, ...state, splats: sightings(named) };
  const folder = join('trials', result.folder ?? result.id);
  const reports = named.map((one) => result.splats.find((splat) => splat === one));
  const calls = Object.fromEntries(
    commit.profiled.flatMap((name) => {
      const count = result.counters[`calls.${name}`] ?? 0;
      return count > 0 ? [[name, count] as const] : [];
    }),
  );
  return { trial, folder, splats: reports, calls };
}

function bootState(
  splats: readonly SplatCount[] | undefined,
): Pick<PrefixTrial, 'state' | 'because'> {
  if (splats === undefined) return { state: 'void', because: 'this boot failed' };
  if (splats.length === 0) return { state: 'heard' };
  return { state: 'masked', because: splats.map(({ title }) => title).join('; ') };
}

/**
 * Returns what a trial proves, with a reason unless the state is `heard`. `heard`: a splat that the trial did not show is probably
 * not in the kernel. `masked`: the trial showed a splat, which may hide others. After a splat, a trial is `heard` only with live
 * detectors and a workload that ran to its end. `not-run`: the workload cannot run in this guest. `void`: the trial showed no splat
 * and proves nothing, for example because it was blind or unexercised.
 */
export function trialState(
  trial: Pick<TrialResult, 'verdict' | 'ledger' | 'witnesses' | 'end'>,
  splats: readonly { readonly title: string }[],
): Pick<PrefixTrial, 'state' | 'because'> {
  const { verdict } = trial;
  if (verdict.kind === 'clean') return { state: 'heard' };
  if (isNotRun(verdict)) return { state: 'not-run', because: verdictPhrase(verdict) };
  const titles = splats.map(({ title }) => title).join('; ');
  if (splats.length > 0 && verdict.kind !== 'splat') return { state: 'masked', because: titles };
  if (verdict.kind !== 'splat') {
    return { state: 'void', because: `${verdictPhrase(verdict)}: ${verdict.message}` };
  }
  return couldShowSplat(trial) ? { state: 'heard' } : { state: 'masked', because: titles };
}
