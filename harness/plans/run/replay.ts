import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import type { ReplayedRun, ReplayedTrial } from '../../records/replayed.ts';
import type { RunRecord } from '../../records/run-request.ts';
import type { RunResult } from '../../records/run-result.ts';
import { guestFolders } from '../../trial/runner.ts';
import type { Verdict } from '../../verdict.ts';
import { requirePlainInputs } from './plain-inputs.ts';
import { readRun } from './run-record.ts';

/** A recorded run that `splat replay` repeats. */
export interface Replayed {
  readonly dir: string;
  readonly record: RunRecord;
  readonly result: RunResult;
  /** The ids of the trials to repeat; undefined: all. */
  readonly trials: readonly string[] | undefined;
}

/**
 * How a repeated run compares with the recorded run. When either run has no trial, `trials` has a single entry with the id `kernel`
 * and the verdicts on the whole runs.
 */
export type Comparison = Pick<ReplayedRun, 'repeated' | 'sameKernel' | 'trials'>;

/**
 * Finds the run that the argument of `splat replay` names: a run's folder, or one of its trials. Throws `usage` when there is no
 * finished run, or no such trial, or when a copy of an input is a link out of the run's folder or a pipe.
 */
export async function findReplayed(target: string, cwd: string): Promise<Replayed> {
  const path = resolve(cwd, target);
  if (await isFile(join(path, 'run.json'))) {
    const { record, result } = await readRun(path);
    await requirePlainInputs(path);
    return { dir: path, record, result, trials: record.request.trials ?? undefined };
  }
  const found = await findTrial(path);
  if (found !== undefined) {
    await requirePlainInputs(found.dir);
    return found;
  }
  throw new HarnessError(
    'usage',
    `${target}: neither a run directory nor a trial of one; splat list shows the runs`,
  );
}

/**
 * Finds the trial that a path names, as RUN/TRIAL, or as the folder RUN/trials/TRIAL, which a shell completes. Returns undefined
 * when the path is not inside the folder of a run. Throws `usage` when the run is not finished or has no such trial.
 */
export async function findTrial(path: string): Promise<Replayed | undefined> {
  const parent = dirname(path);
  const runs = basename(parent) === 'trials' ? [parent, dirname(parent)] : [parent];
  for (const dir of runs) {
    if (!(await isFile(join(dir, 'run.json')))) continue;
    const { record, result } = await readRun(dir);
    const name = basename(path);
    // A trial that was tried again has further folders.
    const trial = result.trials.find(({ id }) => guestFolders(id).includes(name));
    if (trial !== undefined) return { dir, record, result, trials: [trial.id] };
    const ids = result.trials.map(({ id }) => id).join(', ');
    throw new HarnessError('usage', `${dir} has no trial ${name}; its trials are ${ids}`);
  }
  return undefined;
}

async function isFile(path: string): Promise<boolean> {
  return (await readIfThere(stat(path)))?.isFile() === true;
}

/** Compares the verdicts of trials in a repeated run with those in the recorded run. `ids` are the trials; undefined: all. */
export function compareRuns(
  before: RunResult,
  after: RunResult,
  ids: readonly string[] | undefined,
): Comparison {
  const wanted = before.trials.filter(({ id }) => ids === undefined || ids.includes(id));
  const trials =
    wanted.length === 0 || after.trials.length === 0
      ? [compareVerdicts('kernel', before.verdict, after.verdict)]
      : wanted.map(({ id, verdict }) =>
          compareVerdicts(id, verdict, after.trials.find((trial) => trial.id === id)?.verdict),
        );
  return {
    repeated: trials.every(({ repeated }) => repeated),
    sameKernel: before.kernel?.id === after.kernel?.id,
    trials,
  };
}

function compareVerdicts(id: string, before: Verdict, after: Verdict | undefined): ReplayedTrial {
  const repeated = after !== undefined && essence(before) === essence(after);
  return { id, before, after: after ?? null, repeated };
}

/** A verdict as text, without its message and with its splats sorted, since both may differ between two equal runs. */
function essence(verdict: Verdict): string {
  const because = 'because' in verdict ? verdict.because : '';
  const titles =
    verdict.kind === 'splat' ? verdict.titles.toSorted((a, b) => (a < b ? -1 : 1)) : [];
  return JSON.stringify([verdict.kind, because, titles]);
}
