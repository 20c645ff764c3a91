import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from '../host/disk.ts';
import { readRecord } from '../host/record-file.ts';
import { readEntry } from '../plans/run/run-record.ts';
import type { RunRecord } from '../records/run-request.ts';
import { type TrialResult, trialRecordSchema } from '../records/trial.ts';
import { describeTrials } from '../report/run-summary.ts';
import { askedCommand } from './run-page.ts';

/** A run without a result, because the run was stopped or still goes on. */
interface StoppedRun {
  /** The number of trials that have ended. */
  readonly ended: number;
  /** The table of the ended trials, and the command that starts the run again. */
  readonly text: string;
}

/** Reads a run directory that has no result. Returns undefined for any other folder. */
export async function readStoppedRun(dir: string): Promise<StoppedRun | undefined> {
  const entry = await readEntry(dir);
  if (entry.state !== 'unfinished') return undefined;
  const trials = await endedTrials(dir);
  const table = trials.length === 0 ? [] : [...describeTrials(trials), ''];
  return { ended: trials.length, text: [...table, ...againLines(entry.record)].join('\n') };
}

function againLines({ request }: RunRecord): readonly string[] {
  const command = askedCommand(request, request.seed);
  return command === null ? [] : [`again    ${command}`];
}

/** The trials of a run that have ended, in the order in which they ended. A damaged record of a trial is left out. */
async function endedTrials(dir: string): Promise<readonly TrialResult[]> {
  const folders = (await readIfThere(readdir(join(dir, 'trials')))) ?? [];
  const found = await Promise.all(
    folders.map(async (id) => {
      const file = join(dir, 'trials', id, 'trial.json');
      const trial = await readRecord(file, trialRecordSchema).catch(() => undefined);
      const endedMs = (await readIfThere(stat(file)))?.mtimeMs ?? 0;
      // A trial that was tried again has a record in two folders.
      return trial?.id === id ? [{ trial, endedMs }] : [];
    }),
  );
  return found
    .flat()
    .toSorted((a, b) => a.endedMs - b.endedMs)
    .map(({ trial }) => trial);
}
