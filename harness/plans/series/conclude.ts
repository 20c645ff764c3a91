import { exitCodes } from '../../errors.ts';
import type { Comparison } from '../../patch/compare-versions.ts';
import { detectorPatches } from '../../patch/detector-code.ts';
import type { NearbySuite } from '../../patch/nearby-suites.ts';
import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { Series } from '../../patch/series.ts';
import type { ReportedBuild } from '../../records/build.ts';
import type { NewDependency } from '../../records/lock-order.ts';
import type { ReportedBase, ReportedPatch, SeriesReport } from '../../records/series.ts';
import type { BuildNote } from '../../records/series-journal.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { viewOf } from './branch.ts';
import type { ReachOf } from './classes.ts';
import { coverageOf, isUnexercised, type WatchedFunction } from './coverage.ts';
import { locateAll } from './decide.ts';
import type { Evidence } from './evidence.ts';
import { buildOf, type SeriesLog } from './facts.ts';
import { exitCodeOfSeries, type JudgedPatch } from './judge.ts';
import { compareWith, type PreviousSeries, previousFacts, type Recall } from './previous.ts';
import type { SeriesInputs, SeriesRequest } from './request.ts';
import { newWarnings } from './warnings.ts';
import { describeWorkloads } from './workload-trials.ts';

/** Everything that is known about a series after its last trial, for its report. */
export interface Tried extends SeriesInputs {
  readonly request: SeriesRequest;
  readonly changes: readonly PatchChanges[];
  readonly log: SeriesLog;
  /** The trials of the series itself. Trials of its branches, which leave a patch out, are not included. */
  readonly evidence: Evidence;
  readonly judged: readonly JudgedPatch[];
  /** The numbers, from 1, of the patches that change only detector code, and of the patches that `--detector` names. */
  readonly detectors: ReadonlySet<number>;
  readonly watched: readonly WatchedFunction[];
  readonly suites: readonly NearbySuite[];
  /** For each patch, at its index from 0: the lock dependencies that lockdep first saw on the kernel with this patch. */
  readonly learned: readonly (readonly NewDependency[])[];
  /**
   * The trials of an earlier version of the series that this series may reuse. Undefined without an earlier version, and when that
   * version's trials do not count.
   */
  readonly recall: Recall | undefined;
  readonly reach: ReachOf;
  /** The names of the workloads, with `boot` for the boot. */
  readonly names: readonly string[];
}

/** Converts everything that is known about a series to its report. */
export function concludeSeries(whole: Tried): SeriesReport {
  const tried = { ...whole, log: viewOf(whole.log, undefined) };
  const { request, series, log, evidence, judged } = tried;
  const { limits, seed } = request;
  const { previous } = tried;
  const compared = previous === undefined ? undefined : compareWith(previous, series.patches);
  const patches = judged.map((patch) => ({
    ...describePatch(patch, tried),
    ...beforeOf(patch.index, compared, previous),
  }));
  const coverage = coverageOf(whole.log, whole.watched);
  const verdict = verdictOf(evidence, judged);
  const isOpen = verdict.kind === 'clean' && isUnexercised(coverage);
  // Each report prints the patches' verdicts. So a patch whose code never ran must not be called unaffected.
  const told = isOpen ? patches.map(withoutProof) : patches;
  const accel = log.facts.find((fact) => fact.kind === 'accel');
  return {
    schema: 'splat-series/1',
    harness: writtenBy(),
    verdict: isOpen ? unexercised : verdict,
    exitCode: isOpen ? exitCodes.skip : exitCodeOfSeries(evidence.steps.get(0), judged),
    base: describeBase(tried),
    series: {
      name: series.name,
      cover: series.cover ?? null,
      notes: tried.notes,
      passedOver: series.passedOver ?? [],
    },
    ...(previous === undefined || compared === undefined
      ? {}
      : {
          previous: previousFacts(previous, compared, {
            isComparable: tried.recall !== undefined,
            reused: whole.log.facts.filter((fact) => fact.kind === 'trial' && fact.reused).length,
          }),
        }),
    patches: told,
    workloads: describeWorkloads(tried),
    coverage,
    suites: tried.suites,
    accel: accel?.kind === 'accel' ? accel.accel : null,
    seed,
    confidence: limits.confidence,
    timings: addTimes(whole.log),
  };
}

/**
 * The patch of the earlier version that a patch replaces, with the verdict on that earlier patch. Returns an empty object for a new
 * patch, and when there is no earlier version.
 */
function beforeOf(
  index: number,
  compared: Comparison | undefined,
  previous: PreviousSeries | undefined,
): Pick<ReportedPatch, 'previous'> {
  const found = compared?.patches[index - 1];
  if (found?.before === undefined || found.change === 'new') return {};
  const verdict = previous?.report.patches[found.before - 1]?.verdict;
  if (verdict === undefined) return {};
  return { previous: { index: found.before, change: found.change, verdict } };
}

function withoutProof(patch: ReportedPatch): ReportedPatch {
  const { verdict, functions } = patch;
  if (verdict !== 'unaffected' || functions.length === 0) return patch;
  const names = functions.map(({ name }) => name).join(', ');
  return { ...patch, verdict: 'inconclusive', because: `unexercised: never ran: ${names}` };
}

/** The numbers, from 1, of the patches that change only detector code, and of the patches that the user named. */
export function findDetectors(
  { patches }: Series,
  changes: readonly PatchChanges[],
  named: readonly number[],
): ReadonlySet<number> {
  const found = detectorPatches(changes);
  return new Set([
    ...patches.flatMap(({ index }, at) => (found[at] === true ? [index] : [])),
    ...named,
  ]);
}

const unexercised: SeriesReport['verdict'] = {
  kind: 'inconclusive',
  because: 'unexercised: none of the functions it changes ran',
};

/**
 * The verdict on the whole series. The exit code is computed separately: a patch that breaks a build or a boot makes the verdict
 * `untestable`, but the exit code 1.
 */
function verdictOf({ steps }: Evidence, patches: readonly JudgedPatch[]): SeriesReport['verdict'] {
  const base = steps.get(0);
  if (base?.kind === 'broken') {
    const { because, message } = base.verdict;
    return { kind: 'untestable', because: `the base: ${because}: ${message}` };
  }
  const guilty = patches.filter(({ verdict }) => verdict === 'introduces' || verdict === 'exposes');
  if (guilty.length > 0) return { kind: 'splat', because: listPatches(guilty) };
  const broken = patches.filter(({ verdict }) => verdict === 'untestable');
  if (broken.length > 0) return { kind: 'untestable', because: listPatches(broken) };
  const open = patches.filter(({ verdict }) => verdict === 'inconclusive');
  return open.length > 0 ? { kind: 'inconclusive', because: listPatches(open) } : { kind: 'clean' };
}

/** The verdicts of patches in one line: `patch 3 introduces, patch 7 exposes`. */
function listPatches(patches: readonly JudgedPatch[]): string {
  return patches.map(({ index, verdict }) => `patch ${index} ${verdict}`).join(', ');
}

function describeBase({ request, source, log, evidence }: Tried): ReportedBase {
  const state = evidence.steps.get(0);
  const isBroken = state?.kind === 'broken';
  const build = buildOf(log, 0);
  return {
    kernel: request.base,
    source: source.name,
    series: request.baseSeries,
    state: isBroken ? 'broken' : 'ready',
    ...(isBroken ? { because: `${state.verdict.because}: ${state.verdict.message}` } : {}),
    build: build === undefined ? null : withoutWarnings(build),
    unproved: state?.kind === 'ready' ? state.unproved : [],
    splats: locateAll(evidence).flatMap((one) => {
      const { suspect, presence } = one;
      const chance = presence.present[0] ?? 0;
      if (chance <= 0.5) return [];
      const { title, signature, workloads, key } = suspect;
      const report = reportOf(log, key);
      const place = seenNear(log, key, 0);
      // Before any trial the chance is 0.5. A splat that no trial of the base showed is in the base only perhaps, unless its
      // chance is high.
      const isShown = one.places[0]?.tallies.some(({ hits }) => hits > 0) === true;
      const isSure = isShown || chance >= request.limits.confidence;
      const perhaps = isSure ? {} : ({ perhaps: true } as const);
      return [{ title, signature, workloads, rate: presence.rate, report, ...place, ...perhaps }];
    }),
  };
}

function describePatch(
  { isMasked: _isMasked, ...judged }: JudgedPatch,
  { series, changes, log, detectors, learned }: Tried,
): ReportedPatch {
  const at = judged.index - 1;
  const patch = series.patches[at];
  const build = buildOf(log, judged.index);
  return {
    ...judged,
    subject: patch?.subject ?? '',
    subjectLine: patch?.subjectLine ?? null,
    author: patch?.author ?? null,
    messageId: patch?.messageId ?? null,
    splats: judged.splats.map(({ key, ...splat }) => ({
      ...splat,
      report: reportOf(log, key),
      // A splat that a patch fixes was last seen on the kernel without the patch.
      ...seenNear(log, key, judged.verdict === 'fixes' ? judged.index - 1 : judged.index),
    })),
    functions: changes[at]?.functions ?? [],
    detector: detectors.has(judged.index),
    warnings: newWarnings(judged.index, log, changes[at]),
    locks: learned[at] ?? [],
    build: build === undefined ? null : withoutWarnings(build),
  };
}

function withoutWarnings({
  warnings: _warnings,
  checked: _checked,
  ...rest
}: BuildNote): ReportedBuild {
  return rest;
}

function reportOf({ facts }: SeriesLog, key: string): readonly string[] {
  const found = facts.find((fact) => fact.kind === 'report' && fact.key === key);
  return found?.kind === 'report' ? found.text : [];
}

/**
 * The folder of a trial that showed the splat, on the kernel whose number of patches is nearest to `step`. Absent when only boots
 * showed the splat, because a boot has no folder.
 */
function seenNear({ facts }: SeriesLog, key: string, step: number): { readonly seenIn?: string } {
  const seen = facts.flatMap((fact) =>
    fact.kind === 'trial' && fact.folder !== '' && fact.trial.splats.some((one) => one.key === key)
      ? [{ folder: fact.folder, far: Math.abs(fact.trial.step - step) }]
      : [],
  );
  const [nearest] = seen.toSorted((one, other) => one.far - other.far);
  return nearest === undefined ? {} : { seenIn: nearest.folder };
}

function addTimes({ facts }: SeriesLog): SeriesReport['timings'] {
  const times = { buildSeconds: 0, buildCpuSeconds: 0, trialSeconds: 0, trials: 0 };
  for (const fact of facts) {
    if (fact.kind === 'step') {
      times.buildSeconds += fact.seconds;
      times.buildCpuSeconds += fact.build?.cpuSeconds ?? 0;
    }
    if (fact.kind === 'trial' && fact.reused !== true) {
      times.trialSeconds += fact.seconds;
      times.trials += 1;
    }
  }
  return times;
}
