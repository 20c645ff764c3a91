import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { valueDigest } from '../../host/store.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { readChanges } from '../../kernel/patch-changes.ts';
import { allPatches, parseSeries, readSeries, type Series } from '../../kernel/series.ts';
import { openSource, type Source } from '../../kernel/source.ts';
import type { SeriesReport } from '../../report/series-report.ts';
import type { CommitLabRequest } from '../bisection/commit-lab.ts';
import { chooseWorkloads } from '../choose-workloads.ts';
import { openFactLog } from '../fact-log.ts';
import { buildTestKernel, type TestKernelRequest } from '../test-kernel.ts';
import { parallelTrials } from '../trials.ts';
import { concludeSeries } from './conclude.ts';
import { chooseControls } from './control-workloads.ts';
import { bootWorkload, type Limits } from './decide.ts';
import { evidenceOf, factFields, type SeriesFact } from './facts.ts';
import { seriesTester } from './tester.ts';
import { checkTrailers } from './trailers.ts';
import { walkSeries } from './walk.ts';

/** What `splat series` was asked to do. */
export interface SeriesRequest
  extends CommitLabRequest,
    Omit<TestKernelRequest, 'kernel' | 'source' | 'series' | 'annotations'> {
  /** S: where the series under test is. */
  readonly path: string;
  /** The series itself, when it came on stdin. */
  readonly stdin?: Buffer;
  /** K of `--base K`. */
  readonly base: string;
  /** Each S0 of `--base-series S0`: part of the base. */
  readonly baseSeries: readonly string[];
  /** Names of `--workload W`; empty: the default set. */
  readonly workloads: readonly string[];
  /** Patches that count as detector code whatever they change, from 1. */
  readonly detectors: readonly number[];
  readonly limits: Limits;
  readonly parallelTrials: number | undefined;
  /** Digest of everything that decides the answer besides the patches. */
  readonly key: string;
}

/** Tests a series, or goes on with one whose journal is in `dir`. */
export async function seriesPlan(request: SeriesRequest, asked: Asked): Promise<SeriesReport> {
  const { signal, emit, dir } = request;
  const { series, under, source, workloads, notes } = asked;
  for (const text of notes) emit({ kind: 'note', text });
  await mkdir(dir, { recursive: true });
  const scratch = join(dir, 'scratch');
  const changes = await readChanges(source.tree, under, series.patches, { scratch, signal });
  const own = workloads.map(({ upload }) => Buffer.from(upload ?? '').toString('latin1'));
  const diffs = [under, [series]].map((list) => allPatches(list).map(({ diff }) => diff));
  await using log = await openFactLog<SeriesFact>(dir, {
    key: valueDigest([request.key, source.id, diffs, own, await readConfigs(request)]),
    what: 'series',
    fields: factFields,
  });
  const names = [bootWorkload, ...workloads.map(({ workload }) => workload.name)];
  const evidence = await walkSeries({
    count: series.patches.length,
    workloads: names,
    limits: request.limits,
    tester: seriesTester({
      ...request,
      ...asked,
      log,
      changes,
      build: async (step) => buildPrefix(step, asked, request),
    }),
    parallel: parallelTrials(request),
    evidence: evidenceOf(log),
    onStep: (step) => emit({ kind: 'note', text: stepLine(step, series) }),
  });
  return concludeSeries({ ...asked, request, changes, log, evidence, names });
}

/** The input, read and checked: nothing is built before all of it is known to be there. */
export interface Asked extends ReturnType<typeof chooseControls> {
  readonly series: Series;
  /** The user's part of the base. */
  readonly under: readonly Series[];
  readonly source: Source;
  /** What is to be said of the input, a line each. */
  readonly notes: readonly string[];
}

/** Reads what a request names. Throws `usage` for what is not there or does not fit. */
export async function readAsked(request: SeriesRequest): Promise<Asked> {
  const { cwd, signal } = request;
  const { path, stdin } = request;
  const series =
    stdin === undefined
      ? await readSeries(path, { cwd, signal })
      : await parseSeries(stdin, path, signal);
  const under: Series[] = [];
  for (const one of request.baseSeries) under.push(await readSeries(one, { cwd, signal }));
  const last = series.patches.length;
  const wrong = request.detectors.find((index) => !(index >= 1 && index <= last));
  if (wrong !== undefined) {
    throw new HarnessError('usage', `--detector ${wrong}: the series has patches 1 to ${last}`);
  }
  const chosen = await chooseWorkloads(request.workloads, { cwd, args: [], signal });
  const source = await openSource(request.base, request);
  const trailers = await checkTrailers(series, under, { base: source.name, signal });
  return {
    series,
    under,
    source,
    ...chooseControls(chosen, request.workloads, source.version),
    notes: [...(series.notes ?? []), ...trailers],
  };
}

/** What the user's own fragments say now: facts of others are not theirs. */
async function readConfigs({
  configs,
  configBase,
  cwd,
}: SeriesRequest): Promise<readonly unknown[]> {
  return Promise.all(
    [...configs, configBase].map(async (one) =>
      typeof one === 'string' ? readFile(resolve(cwd, one), 'utf8').catch(() => one) : one,
    ),
  );
}

/** The kernel with the first patches of the series; 0 is the base. */
async function buildPrefix(
  step: number,
  { series, under, source }: Asked,
  request: SeriesRequest,
): Promise<BuildOutcome> {
  const prefix: Series = { name: series.name, patches: series.patches.slice(0, step) };
  const all = step === 0 ? under : [...under, prefix];
  return buildTestKernel({ ...request, kernel: request.base, source, series: all });
}

function stepLine(step: number, { patches }: Series): string {
  const subject = patches[step - 1]?.subject ?? '';
  return step === 0 ? 'the base' : `patch ${step}/${patches.length}: ${subject}`;
}
