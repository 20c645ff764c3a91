import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import {
  directoryTime,
  fieldsOf,
  notOurs,
  type RunEntry,
  readEntry,
  readJson,
} from './run-record.ts';

/** What a list says of one folder: a run, a series or a bisection. */
export type ListEntry = ({ readonly kind: 'run' } & RunEntry) | JournalEntry;

/** The folder of a series or a bisection. */
export type JournalEntry = { readonly dir: string; readonly startedAt: string } & (
  | {
      readonly kind: 'series';
      readonly state: 'finished';
      readonly verdict: string;
      readonly patches: number;
      /** S and K of the command line. */
      readonly series: string;
      readonly kernel: string;
      readonly trials: number;
    }
  | {
      readonly kind: 'bisect';
      readonly state: 'finished';
      readonly culprit: string | null;
      readonly candidates: number;
      readonly trials: number;
    }
  /** It has a journal and no report yet. */
  | { readonly kind: null; readonly state: 'unfinished' }
  | {
      readonly kind: 'series' | 'bisect';
      readonly state: 'broken';
      readonly message: string;
    }
);

/** The runs in a folder, newest first; the folder itself when it is one. Other things in it are passed over. */
export async function listRuns(
  folder: string,
  options: { readonly absentIsEmpty: boolean },
): Promise<readonly ListEntry[]> {
  const itself = await readFolder(folder);
  if (itself !== undefined) return [itself];
  const names = await readdir(folder, { withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (options.absentIsEmpty && error.code === 'ENOENT') return [];
      throw new HarnessError('usage', `${folder}: no such folder`, { cause: error });
    },
  );
  const dirs = names.filter((item) => item.isDirectory()).map(({ name }) => join(folder, name));
  const entries: ListEntry[] = [];
  for (const dir of dirs) {
    const entry = await readFolder(dir);
    if (entry !== undefined) entries.push(entry);
  }
  return entries.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
}

/** Undefined when nothing of ours is in it. */
async function readFolder(dir: string): Promise<ListEntry | undefined> {
  const names: readonly string[] = await readdir(dir).catch(() => []);
  const isRun = names.includes('run.json') || names.includes('result.json');
  if (!isRun && names.includes('series.json')) return readReport(dir, 'series', readSeriesReport);
  if (!isRun && names.includes('bisect.json')) return readReport(dir, 'bisect', readBisectReport);
  if (!isRun && names.includes('journal.jsonl')) {
    return { kind: null, state: 'unfinished', dir, startedAt: await directoryTime(dir) };
  }
  if (!isRun && !names.includes('trials')) return undefined;
  return { kind: 'run', ...(await readEntry(dir)) };
}

async function readReport<T extends object>(
  dir: string,
  kind: 'series' | 'bisect',
  read: (report: unknown) => T,
): Promise<(T | Broken) & { readonly dir: string; readonly startedAt: string }> {
  const place = { dir, startedAt: await directoryTime(dir) };
  try {
    return { ...read(await readJson(join(dir, `${kind}.json`))), ...place };
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    return { kind, state: 'broken', message: error.message, ...place };
  }
}

type Broken = Omit<Extract<JournalEntry, { state: 'broken' }>, 'dir' | 'startedAt'>;

/** As of SeriesReport, as far as a list has it. The folder may have come from somebody else. */
function readSeriesReport(value: unknown) {
  const { schema, verdict, base, series, patches, timings } = fieldsOf(value);
  const kind = fieldsOf(verdict)['kind'];
  const kernel = fieldsOf(base)['kernel'];
  const name = fieldsOf(series)['name'];
  const trials = fieldsOf(timings)['trials'];
  if (schema !== 'splat-series/1') throw notOurs('series.json');
  if (!isVerdictWord(kind)) throw notOurs('series.json', 'verdict');
  if (typeof kernel !== 'string') throw notOurs('series.json', 'base');
  if (typeof name !== 'string') throw notOurs('series.json', 'series');
  if (!Array.isArray(patches)) throw notOurs('series.json', 'patches');
  if (typeof trials !== 'number') throw notOurs('series.json', 'timings');
  return {
    kind: 'series',
    state: 'finished',
    verdict: kind,
    patches: patches.length,
    series: name,
    kernel,
    trials,
  } as const;
}

function isVerdictWord(word: unknown): word is string {
  return ['splat', 'untestable', 'inconclusive', 'clean'].some((known) => known === word);
}

/** The same of BisectReport. */
function readBisectReport(value: unknown) {
  const { schema, culprit, candidates, trials } = fieldsOf(value);
  if (schema !== 'splat-bisect/1') throw notOurs('bisect.json');
  if (culprit !== null && typeof culprit !== 'string') throw notOurs('bisect.json', 'culprit');
  if (!Array.isArray(candidates)) throw notOurs('bisect.json', 'candidates');
  if (typeof trials !== 'number') throw notOurs('bisect.json', 'trials');
  const candidateCount = candidates.length;
  return {
    kind: 'bisect',
    state: 'finished',
    culprit,
    candidates: candidateCount,
    trials,
  } as const;
}
