import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import { readRecord } from '../../host/record-file.ts';
import { type RunRecord, runRecordSchema } from '../../records/run-request.ts';
import { type RunResult, runResultSchema } from '../../records/run-result.ts';

/** What the folder of a run holds: a finished run, an unfinished run, or files that cannot be read. */
export type RunEntry =
  | {
      readonly state: 'finished';
      readonly dir: string;
      readonly startedAt: string;
      readonly record: RunRecord;
      readonly result: RunResult;
    }
  /** The run still goes on, or it ended before it wrote a result. */
  | {
      readonly state: 'unfinished';
      readonly dir: string;
      readonly startedAt: string;
      readonly record: RunRecord;
    }
  | {
      readonly state: 'broken';
      readonly dir: string;
      readonly startedAt: string;
      readonly message: string;
    };

/**
 * Reads run.json and result.json of a run directory. Throws `usage` when the folder is no run directory, when the run is not
 * finished, when a file is malformed, or when result.json is larger than `largestBytes`.
 */
export async function readRun(
  dir: string,
  largestBytes?: number,
): Promise<{ readonly record: RunRecord; readonly result: RunResult }> {
  const entry = await readEntry(dir, largestBytes);
  if (entry.state === 'finished') return entry;
  const why = entry.state === 'broken' ? entry.message : 'it has no result.json';
  throw new HarnessError('usage', `${dir} is not the folder of a finished run: ${why}`);
}

/**
 * Reads what the folder of a run holds. The run is `unfinished` when only result.json is missing. The run is `broken` when run.json
 * is missing, or when one of the two files is malformed.
 */
export async function readEntry(dir: string, largestBytes?: number): Promise<RunEntry> {
  const startedAt = await directoryTime(dir);
  try {
    const record = await readRecord(join(dir, 'run.json'), runRecordSchema);
    if (record === undefined) throw new HarnessError('usage', 'it has no run.json');
    const result = await readRecord(join(dir, 'result.json'), runResultSchema, largestBytes);
    return result === undefined
      ? { state: 'unfinished', dir, startedAt: record.startedAt, record }
      : { state: 'finished', dir, startedAt: record.startedAt, record, result };
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    return { state: 'broken', dir, startedAt, message: error.message };
  }
}

/** The modification time of a folder, in ISO 8601; the beginning of 1970 when the folder does not exist. */
export async function directoryTime(dir: string): Promise<string> {
  const found = await readIfThere(stat(dir));
  return (found?.mtime ?? new Date(0)).toISOString();
}
