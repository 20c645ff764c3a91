import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { costOf } from '../../history/cell-cost.ts';
import type { History } from '../../history/database.ts';
import { readFaultIn, readIfThere } from '../../host/disk.ts';
import { readRegular } from '../../host/regular-file.ts';
import { cellId } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { ReadMatrix } from '../../night/matrix.ts';
import { divideCells, type Shard } from '../../night/shards.ts';
import { type NightPlanRecord, nightPlanSchema, type PlanCell } from '../../records/night-plan.ts';
import { checkJson } from '../../records/schema.ts';
import { otherSignatures, writtenBy } from '../../trial/harness-facts.ts';
import { digestInputs, pinContent } from './plan-inputs.ts';
import { guessSeconds, type NightPlan, planNight } from './plan-night.ts';

/** The most parts of a plan: GitHub runs at most 256 jobs of one matrix. */
export const mostShards = 256;

interface PlanRequest {
  readonly matrix: ReadMatrix;
  /** The absolute path of the matrix file. */
  readonly file: string;
  /** The SHA-256 of the text of the matrix file. */
  readonly digest: string;
  /** The absolute path at which the plan will be written. */
  readonly out: string;
  readonly history: History | undefined;
  /** The number of parts of the plan; undefined: one part for each kernel, but at most 256. */
  readonly shards: number | undefined;
  readonly nowMs: number;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/**
 * Plans a night that several machines share. Whatever two machines could read differently is pinned, such as the commit of a
 * branch. Nothing is built.
 */
export async function makePlan(request: PlanRequest): Promise<NightPlanRecord> {
  const { matrix, file, history, nowMs } = request;
  const { budget, known, history: database } = matrix.value;
  const cwd = dirname(file);
  const count =
    request.shards ?? Math.min(mostShards, new Set(matrix.cells.map((one) => one.kernel)).size);
  const options = { ...request, cwd };
  const night = await planNight(matrix, { ...options, cell: undefined, machines: count });
  const timed = (cell: PlannedCell): PlanCell => {
    const cost = history === undefined ? undefined : costOf(history, cell.id);
    const eachMs = cost?.msPerTrial ?? guessSeconds(cell.workload) * 1000;
    return { ...cell, seconds: Math.round((eachMs * cell.planned) / 100) / 10 };
  };
  const cells = night.cells.map(timed);
  const kernels: Record<string, NightPlanRecord['kernels'][string]> = {};
  for (const [name, { kernel, sha }] of Object.entries(night.pins)) {
    kernels[name] = await pinContent({ kernel, sha, digest: null }, options);
  }
  return {
    schema: 'splat-plan/1',
    harness: writtenBy(),
    night: `${new Date(nowMs).toISOString().slice(0, 19)}Z`,
    matrix: {
      file: basename(file),
      folder: relative(dirname(request.out), cwd) || '.',
      digest: request.digest,
    },
    ...(known === undefined ? {} : { known }),
    ...(database === undefined ? {} : { history: database }),
    repeat: night.repeat,
    ...(budget === undefined ? {} : { budget }),
    workloadsNamed: night.workloadsNamed,
    kernels,
    inputs: await digestInputs(cells, options),
    cells,
    notRun: night.left.map(timed),
    estimatedSeconds: Math.round(night.estimate),
    shards: divideCells(cells, count).map((shard, at) => ({
      shard: `${at + 1}/${count}`,
      ...shard,
      seconds: Math.round(shard.seconds),
    })),
  };
}

/** The plan of a night that several machines share, as read from its file. */
export interface ReadPlan {
  readonly plan: NightPlanRecord;
  /** The SHA-256 of the plan's file. Results name their plan by this digest. */
  readonly digest: string;
  /** The absolute path of the matrix file's folder on this host. */
  readonly cwd: string;
}

/** The largest plan that is read, in bytes. A plan of 10,000 cells is smaller. */
const largestPlanBytes = 32 * 1024 * 1024;

/**
 * Reads the plan of a night from a file; messages call the file `shown`. Throws `usage` when the file cannot be read. Throws
 * `config` when the file is larger than 32 MiB, is no plan or contradicts itself, or when its signatures follow other rules.
 */
export async function readPlan(path: string, shown: string): Promise<ReadPlan> {
  const size = (await readIfThere(stat(path)))?.size ?? 0;
  if (size > largestPlanBytes)
    throw new HarnessError(
      'config',
      `${shown}: larger than ${largestPlanBytes / 1024 / 1024} MiB, and splat reads no larger plan`,
    );
  const bytes = await readRegular(path, { largestBytes: largestPlanBytes, shown: 'it' }).catch(
    (cause: unknown) => {
      throw new HarnessError('usage', `cannot read --plan ${shown}: ${readFaultIn(cause)}`, {
        cause,
      });
    },
  );
  const plan = parsePlan(bytes, shown);
  const digest = createHash('sha256').update(bytes).digest('hex');
  return { plan, digest, cwd: resolve(dirname(path), plan.matrix.folder) };
}

/**
 * Reads the plan of a night from the bytes of its file. Throws `config` for bytes that are no plan, for a plan that contradicts
 * itself, and for a plan whose signatures follow other rules than this splat's.
 */
export function parsePlan(bytes: Buffer, shown: string): NightPlanRecord {
  const wrong = (what: string): HarnessError =>
    new HarnessError('config', `${shown}: not a plan of splat nightly plan${what}`);
  const checked = checkJson(nightPlanSchema, bytes.toString('utf8'));
  if (!checked.isRight) throw wrong(checked.why);
  const plan = checked.value;
  const all = [...plan.cells, ...plan.notRun];
  const odd = all.find((cell) => cell.id !== cellId(cell));
  if (odd !== undefined) throw wrong(`; the contents of cell ${odd.id} do not match its id`);
  if (new Set(all.map(({ id }) => id)).size < all.length) throw wrong('; a cell is in it twice');
  const unpinned = all.find(({ kernel }) => !Object.hasOwn(plan.kernels, kernel));
  if (unpinned !== undefined) throw wrong(`; kernel ${unpinned.kernel} is not pinned`);
  const other = otherSignatures(plan.harness);
  if (other !== undefined) throw wrong(`; ${other}`);
  return plan;
}

/**
 * Converts a plan for several machines to the form that a night on one host uses. The kernel of a branch gets the path of its git
 * tree on this host.
 */
export function asNightPlan(plan: NightPlanRecord, cwd: string): NightPlan {
  const pins = Object.entries(plan.kernels).map(([name, { kernel, sha }]) => {
    const tree =
      sha === null ? {} : { tree: resolve(cwd, kernel.slice(0, kernel.lastIndexOf('@'))) };
    return [name, { kernel, sha, ...tree }] as const;
  });
  return {
    cells: plan.cells.map(withoutSeconds),
    left: plan.notRun.map(withoutSeconds),
    pins: Object.fromEntries(pins),
    workloadsNamed: plan.workloadsNamed,
    repeat: plan.repeat,
    bisect: false,
    estimate: plan.estimatedSeconds,
  };
}

export function withoutSeconds({ seconds: _seconds, ...cell }: PlanCell): PlannedCell {
  return cell;
}

/**
 * The cells of part I of N of a plan. `asked` is I/N, such as 2/3. Throws `usage` unless I is from 1 to N and N is at most 256.
 */
export function shardOf(plan: NightPlanRecord, asked: string): Shard {
  const match = /^(\d{1,5})\/(\d{1,5})$/.exec(asked);
  const [at, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || at < 1 || at > count || count > mostShards) {
    const valid = `it must be I/N, such as 2/3, with I from 1 to N and N at most ${mostShards}`;
    throw new HarnessError('usage', `--shard ${asked}: ${valid}`);
  }
  return divideCells(plan.cells, count)[at - 1] ?? { cells: [], seconds: 0 };
}
