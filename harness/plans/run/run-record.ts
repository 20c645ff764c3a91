import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { RunResult } from './run.ts';

/** What a list says of one run directory. */
export type RunEntry =
  | {
      readonly state: 'finished';
      readonly dir: string;
      readonly startedAt: string;
      readonly record: RunRecord;
      readonly result: RunResult;
    }
  /** Running, or ended before it had a result. */
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

/** run.json: what it takes to run a run again. Paths are relative to the run directory. */
export interface RunRecord {
  readonly schema: 'splat-replay/1';
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly request: RecordedRequest;
}

/** A file or folder the user named, and the copy of it that the run directory keeps. */
export interface Kept {
  /** As it was asked for. */
  readonly name: string;
  /** Null for what is ours: the name of a workload of the table or of an optional fragment. */
  readonly copy: string | null;
}

/** The command line of `splat run`, with defaults filled in. */
export interface RecordedRequest {
  readonly kernel: string;
  /** Where a relative `kernel` is relative to. */
  readonly cwd: string;
  readonly series: readonly Kept[];
  readonly configs: readonly Kept[];
  readonly configBase: Kept | null;
  readonly guest: string;
  readonly workloads: readonly Kept[];
  /** Arguments of the user's own workloads. */
  readonly workloadArgs: readonly string[];
  readonly baseline: Kept | null;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly seed: number;
  readonly repeat: number;
  readonly cold: boolean;
  readonly durationMs: number | null;
  /** Ids of the trials to run; null for all. */
  readonly trials: readonly string[] | null;
}

/** Results of thousands of trials stay below this; what is larger is no result of ours. */
const largestJsonBytes = 256 * 1024 * 1024;

/** A run directory's two files; throws `usage` when it is not one or not whole. */
export async function readRun(
  dir: string,
  largestBytes = largestJsonBytes,
): Promise<{ readonly record: RunRecord; readonly result: RunResult }> {
  const entry = await readEntry(dir, largestBytes);
  if (entry.state === 'finished') return entry;
  const why = entry.state === 'broken' ? entry.message : 'it has no result.json: not finished';
  throw new HarnessError('usage', `${dir} is no run that can be used: ${why}`);
}

/** What there is of the run in a folder. */
export async function readEntry(dir: string, largestBytes = largestJsonBytes): Promise<RunEntry> {
  const startedAt = await directoryTime(dir);
  try {
    const record = checkRecord(await readJson(join(dir, 'run.json')));
    if (record === undefined) throw new HarnessError('usage', 'it has no run.json');
    const result = checkResult(await readJson(join(dir, 'result.json'), largestBytes));
    return result === undefined
      ? { state: 'unfinished', dir, startedAt: record.startedAt, record }
      : { state: 'finished', dir, startedAt: record.startedAt, record, result };
  } catch (error) {
    if (!(error instanceof HarnessError)) throw error;
    return { state: 'broken', dir, startedAt, message: error.message };
  }
}

/** When something was last put into it, ISO 8601. */
export async function directoryTime(dir: string): Promise<string> {
  const found = await stat(dir).catch(() => undefined);
  return (found?.mtime ?? new Date(0)).toISOString();
}

/** Undefined when there is no such file; throws `usage` when it cannot be read as JSON. */
export async function readJson(path: string, largestBytes = largestJsonBytes): Promise<unknown> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > largestBytes) throw new HarnessError('usage', `${basename(path)} is too large`);
    return JSON.parse(await file.readFile('utf8'));
  } catch (error) {
    if (error instanceof HarnessError) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new HarnessError('usage', `${basename(path)} is not readable as JSON`, { cause: error });
  }
}

/** Undefined stays undefined; throws `usage` for what is not a run.json of this version. */
function checkRecord(value: unknown): RunRecord | undefined {
  if (value === undefined) return undefined;
  const { schema, startedAt, request } = fieldsOf(value);
  if (schema !== 'splat-replay/1' || typeof startedAt !== 'string') throw notOurs('run.json');
  const fields = fieldsOf(request);
  for (const [name, isRight] of Object.entries(recordedFields)) {
    if (!isRight(fields[name])) throw notOurs('run.json', `request.${name}`);
  }
  return value as RunRecord;
}

export const isString = (value: unknown): boolean => typeof value === 'string';
export const isNumber = (value: unknown): boolean => typeof value === 'number';
export const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const isKept = (value: unknown): boolean => {
  const { name, copy } = fieldsOf(value);
  return isString(name) && (copy === null || isInsidePath(copy));
};
const isKeptList = (value: unknown): boolean => Array.isArray(value) && value.every(isKept);

/** A run directory may have come from somebody else: its copies are looked for in it and nowhere else. */
function isInsidePath(value: unknown): boolean {
  return typeof value === 'string' && /^inputs(\/[^/]+)+$/.test(value) && !value.includes('/..');
}

const recordedFields: Readonly<Record<keyof RecordedRequest, (value: unknown) => boolean>> = {
  kernel: isString,
  cwd: isString,
  series: isKeptList,
  configs: isKeptList,
  configBase: (value) => value === null || isKept(value),
  guest: isString,
  workloads: isKeptList,
  workloadArgs: isStrings,
  baseline: (value) => value === null || isKept(value),
  accel: (value) => value === 'auto' || value === 'kvm' || value === 'tcg',
  memoryMiB: isNumber,
  cpus: isNumber,
  seed: isNumber,
  repeat: isNumber,
  cold: (value) => typeof value === 'boolean',
  durationMs: (value) => value === null || isNumber(value),
  trials: (value) => value === null || isStrings(value),
};

/** The same for result.json, as far as it is read again: its verdict, its kernel, and splats with titles and signatures. */
export function checkResult(value: unknown): RunResult | undefined {
  if (value === undefined) return undefined;
  const { schema, verdict, kernel, bootSplats, trials } = fieldsOf(value);
  if (schema !== 'splat-run/1') throw notOurs('result.json');
  if (!isVerdict(verdict)) throw notOurs('result.json', 'verdict');
  if (kernel !== null && !isString(fieldsOf(kernel)['release'])) {
    throw notOurs('result.json', 'kernel');
  }
  if (!isSplats(bootSplats)) throw notOurs('result.json', 'bootSplats');
  if (!Array.isArray(trials) || !trials.every(isTrial)) throw notOurs('result.json', 'trials');
  return value as RunResult;
}

function isTrial(value: unknown): boolean {
  const { id, verdict, splats } = fieldsOf(value);
  return isString(id) && isVerdict(verdict) && isSplats(splats);
}

export function isVerdict(value: unknown): boolean {
  const { kind, titles } = fieldsOf(value);
  return kind === 'splat'
    ? isStrings(titles)
    : kind === 'clean' || kind === 'untestable' || kind === 'inconclusive';
}

export function isSplats(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.map(fieldsOf).every(({ title, signature }) => isString(title) && isString(signature))
  );
}

/** The fields of what may be no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function notOurs(file: string, field?: string): HarnessError {
  const where = field === undefined ? '' : ` (${field})`;
  return new HarnessError('usage', `${file} is not of this version of splat${where}`);
}
