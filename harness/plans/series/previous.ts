import { cp, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { makeFolder, readIfThere } from '../../host/disk.ts';
import { readRecordAt } from '../../host/record-file.ts';
import { readRegular } from '../../host/regular-file.ts';
import {
  type Comparison,
  compareVersions,
  type VersionedPatch,
} from '../../patch/compare-versions.ts';
import type { Patch } from '../../patch/series.ts';
import { checkValue } from '../../records/schema.ts';
import { type PreviousFacts, type SeriesReport, seriesReportSchema } from '../../records/series.ts';
import { type SeriesFact, seriesFactSchema } from '../../records/series-journal.ts';

/** An earlier version of a series, from the folder that `--previous RUN` names. */
export interface PreviousSeries {
  /** The value of --previous, as the user typed it. */
  readonly run: string;
  readonly dir: string;
  readonly report: SeriesReport;
  readonly patches: readonly VersionedPatch[];
  readonly facts: readonly SeriesFact[];
}

/**
 * Writes the diffs of a series into the folder `dir`, as `patches/0001.diff`. A later version of the series can then be compared
 * with this version.
 */
export async function keepPatches(dir: string, patches: readonly Patch[]): Promise<void> {
  const folder = join(dir, 'patches');
  await makeFolder(folder);
  for (const { index, diff } of patches) {
    await writeFile(join(folder, fileOf(index)), diff, 'latin1');
  }
}

function fileOf(index: number): string {
  return `${String(index).padStart(4, '0')}.diff`;
}

/**
 * Reads the folder of an earlier version of a series. Throws `usage` for a folder without a valid series.json, or without the
 * diffs of its patches.
 */
export async function readPrevious(run: string, cwd: string): Promise<PreviousSeries> {
  const dir = resolve(cwd, run);
  const wrong = (what: string): HarnessError =>
    new HarnessError('usage', `--previous ${run} cannot be used: ${what}`);
  const report = await readRecordAt(join(dir, 'series.json'), seriesReportSchema);
  if (report === undefined)
    throw wrong('it has no series.json; give the folder of a finished series');
  const patches: VersionedPatch[] = [];
  for (const { index, subject } of report.patches) {
    const diff = await readText(join(dir, 'patches', fileOf(index)), 'latin1');
    if (diff === undefined)
      throw wrong(
        `it has no patches/${fileOf(index)}; the version of splat that wrote it did not keep patches`,
      );
    patches.push({ index, subject, diff });
  }
  return { run, dir, report, patches, facts: await readFacts(join(dir, 'journal.jsonl')) };
}

/** How large a file of an earlier series may be: a patch of it, or its journal. */
const largestTextBytes = 256 * 1024 * 1024;

/** The text of a file; undefined when there is none. Throws `usage` for anything but a regular file. */
async function readText(path: string, encoding: 'latin1' | 'utf8'): Promise<string | undefined> {
  const bytes = await readIfThere(readRegular(path, { largestBytes: largestTextBytes }));
  return bytes?.toString(encoding);
}

/**
 * Reads the entries of a series' journal. Returns an empty list when there is no journal. An entry that this version of splat does
 * not understand is left out, and so cannot be reused.
 */
async function readFacts(path: string): Promise<readonly SeriesFact[]> {
  const text = (await readText(path, 'utf8')) ?? '';
  return text.split('\n').flatMap((line) => {
    try {
      const checked = checkValue(seriesFactSchema, JSON.parse(line));
      return checked.isRight ? [checked.value] : [];
    } catch {
      return [];
    }
  });
}

/** A kernel image that an earlier series booted: the first step that has it, and all trials on it. */
export interface RecalledImage {
  readonly step: Extract<SeriesFact, { readonly kind: 'step' }>;
  readonly trials: readonly Extract<SeriesFact, { readonly kind: 'trial' }>[];
}

/** The trials of an earlier series, found by the image of their kernel. */
export interface Recall {
  readonly dir: string;
  readonly accel: string | undefined;
  /** Returns the first step with this image, and all trials of the image. Undefined when the earlier series has no such image. */
  readonly find: (image: string) => RecalledImage | undefined;
  /** Returns the first report of a splat, by the splat's key; undefined when the earlier series did not see it. */
  readonly reportOf: (key: string) => Extract<SeriesFact, { readonly kind: 'report' }> | undefined;
}

/**
 * The trials of an earlier version that this series may reuse: those on an equal kernel image. Returns undefined when the earlier
 * version had another setting. `setting` is a digest of workloads, guest, seed and splat's version.
 */
export function recallTrials({ dir, facts }: PreviousSeries, setting: string): Recall | undefined {
  if (!facts.some((fact) => fact.kind === 'setting' && fact.key === setting)) return undefined;
  const accel = facts.find((fact) => fact.kind === 'accel');
  const ready = facts.flatMap((fact) =>
    fact.kind === 'step' && fact.state.kind === 'ready' ? [{ fact, image: fact.state.image }] : [],
  );
  const trialsOn = (image: string): RecalledImage['trials'] => {
    const steps = new Set(
      ready.filter((one) => one.image === image).map(({ fact }) => placeOf(fact.step, fact.branch)),
    );
    return facts.flatMap((fact) =>
      fact.kind === 'trial' && steps.has(placeOf(fact.trial.step, fact.branch)) ? [fact] : [],
    );
  };
  return {
    dir,
    accel: accel?.kind === 'accel' ? accel.accel : undefined,
    find: (image) => {
      const found = ready.find((one) => one.image === image);
      return found === undefined ? undefined : { step: found.fact, trials: trialsOn(image) };
    },
    reportOf: (key) =>
      facts.flatMap((fact) => (fact.kind === 'report' && fact.key === key ? [fact] : []))[0],
  };
}

function placeOf(step: number, branch: string | undefined): string {
  return `${branch ?? ''} ${step}`;
}

/** The path of a trial's folder in a journal. copyTrial() copies no other path, because a journal may contain any. */
const trialFolder = /^trials\/[\w.+@=-]+$/;

/**
 * Copies the folder of a trial from the series folder `from` to the path `to`. `folder` is the trial's folder as the journal
 * names it. Returns false, and copies nothing, when the folder is gone or when a path is not that of a trial.
 */
export async function copyTrial(from: string, folder: string, to: string): Promise<boolean> {
  if (!trialFolder.test(folder) || !trialFolder.test(to.slice(to.indexOf('trials/')))) return false;
  const source = join(from, folder);
  if ((await readIfThere(stat(source)))?.isDirectory() !== true) return false;
  await cp(source, to, { recursive: true, errorOnExist: false });
  return true;
}

/**
 * Copies the recorded lock order of a kernel, so that later kernels of the series can be compared with it. Nothing happens when
 * `from` does not exist, or when `to` exists.
 */
export async function copyLocks(from: string, to: string): Promise<void> {
  if ((await readIfThere(stat(from)))?.isDirectory() !== true) return;
  if ((await readIfThere(stat(to))) === undefined) await cp(from, to, { recursive: true });
}

/** Compares the patches of a series with those of its earlier version. */
export function compareWith(previous: PreviousSeries, patches: readonly Patch[]): Comparison {
  return compareVersions(previous.patches, patches);
}

/** What the report of a series says about its earlier version. */
export function previousFacts(
  previous: PreviousSeries,
  { gone }: Comparison,
  recalled: { readonly isComparable: boolean; readonly reused: number },
): PreviousFacts {
  const { run, report } = previous;
  return {
    run,
    series: report.series.name,
    comparable: recalled.isComparable,
    reusedTrials: recalled.reused,
    gone: gone.map((index) => {
      const patch = report.patches[index - 1];
      return { index, subject: patch?.subject ?? '', verdict: patch?.verdict ?? 'inconclusive' };
    }),
  };
}
