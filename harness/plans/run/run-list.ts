import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readFaultIn } from '../../host/disk.ts';
import { readRecord } from '../../host/record-file.ts';
import { type BisectReport, bisectReportSchema } from '../../records/bisect.ts';
import type { Recorded, RecordSchema } from '../../records/schema.ts';
import { type SeriesReport, seriesReportSchema } from '../../records/series.ts';
import { directoryTime, type RunEntry, readEntry } from './run-record.ts';

/** The entry of `splat list` for one folder: a run, a series or a bisection. */
export type ListEntry = ({ readonly kind: 'run' } & RunEntry) | JournalEntry;

/** What `splat list` says about the folder of a series or of a bisection. */
export type JournalEntry = { readonly dir: string; readonly startedAt: string } & (
  | {
      readonly kind: 'series';
      readonly state: 'finished';
      readonly verdict: string;
      readonly patches: number;
      /** The series, as the command line of `splat series` named it. */
      readonly series: string;
      /** The value of `--base`, as it was written on the command line. */
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
  /** The folder has a journal and no report: the series or bisection still runs, or ended early. */
  | { readonly kind: null; readonly state: 'unfinished' }
  | {
      readonly kind: 'series' | 'bisect';
      readonly state: 'broken';
      readonly message: string;
    }
);

/**
 * The runs, series and bisections in a folder, the newest first; unfinished and broken ones are included. Other files and folders
 * are skipped. When the folder is itself a run, series or bisection, the folder is the only entry. Throws `usage` for a folder that
 * cannot be listed. With `absentIsEmpty`, a folder that does not exist counts as empty.
 */
export async function listRuns(
  folder: string,
  options: { readonly absentIsEmpty: boolean },
): Promise<readonly ListEntry[]> {
  const itself = await readFolder(folder);
  if (itself !== undefined) return [itself];
  const names = await readdir(folder, { withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (options.absentIsEmpty && error.code === 'ENOENT') return [];
      throw new HarnessError(
        'usage',
        `cannot list ${folder}: ${error.code === 'ENOENT' ? 'no such folder' : readFaultIn(error)}`,
        { cause: error },
      );
    },
  );
  const dirs = names.filter((item) => item.isDirectory()).map(({ name }) => join(folder, name));
  const entries: ListEntry[] = [];
  for (const dir of dirs) {
    const entry = await readFolder(dir);
    if (entry !== undefined) entries.push(entry);
  }
  return entries.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
}

/** The entry of a folder; undefined when the folder is not a run, a series or a bisection. */
async function readFolder(dir: string): Promise<ListEntry | undefined> {
  // A folder that this user may not read has no run of this user.
  const names: readonly string[] = await readdir(dir).catch(() => []);
  const isRun = names.includes('run.json') || names.includes('result.json');
  if (!isRun && names.includes('series.json')) {
    return readReport({ dir, kind: 'series' }, seriesReportSchema, summarizeSeries);
  }
  if (!isRun && names.includes('bisect.json')) {
    return readReport({ dir, kind: 'bisect' }, bisectReportSchema, summarizeBisection);
  }
  if (!isRun && names.includes('journal.jsonl')) {
    return { kind: null, state: 'unfinished', dir, startedAt: await directoryTime(dir) };
  }
  if (!isRun && !names.includes('trials')) return undefined;
  return { kind: 'run', ...(await readEntry(dir)) };
}

async function readReport<S extends RecordSchema, T extends object>(
  place: { readonly dir: string; readonly kind: 'series' | 'bisect' },
  schema: S,
  summarize: (report: Recorded<S>) => T,
): Promise<(T | Broken) & { readonly dir: string; readonly startedAt: string }> {
  const { dir, kind } = place;
  const startedAt = await directoryTime(dir);
  const broken = (message: string): Broken => ({ kind, state: 'broken', message });
  try {
    const report = await readRecord(join(dir, `${kind}.json`), schema);
    const summary = report === undefined ? broken(`${kind}.json: no such file`) : summarize(report);
    return { ...summary, dir, startedAt };
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    return { ...broken(error.message), dir, startedAt };
  }
}

type Broken = Omit<Extract<JournalEntry, { state: 'broken' }>, 'dir' | 'startedAt'>;

function summarizeSeries({ verdict, base, series, patches, timings }: SeriesReport) {
  return {
    kind: 'series',
    state: 'finished',
    verdict: verdict.kind,
    patches: patches.length,
    series: series.name,
    kernel: base.kernel,
    trials: timings.trials,
  } as const;
}

function summarizeBisection({ culprit, candidates, trials }: BisectReport) {
  return {
    kind: 'bisect',
    state: 'finished',
    culprit,
    candidates: candidates.length,
    trials,
  } as const;
}
