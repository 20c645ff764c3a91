import { HarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { type History, storedJson } from '../../history/database.ts';
import { beginNight, closedNights, openNight, type StoredNight } from '../../history/nights.ts';
import { trialsOf } from '../../history/results.ts';
import { machineKey } from '../../night/cells.ts';
import type { TrialFacts } from '../../night/judge-trial.ts';
import type { ShardRecord } from '../../records/shard.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import type { FinishedRun } from '../run/requested-run.ts';
import { asNightPlan, type ReadPlan } from './plan-file.ts';
import { requireSameInputs } from './plan-inputs.ts';
import { runMachines } from './run-machines.ts';
import { openBudget } from './run-night.ts';
import { shardRecord } from './shard-record.ts';

export interface ShardRequest extends ReadPlan {
  /** The value of --shard, such as `2/3`: which part of the plan this is. */
  readonly shard: string;
  /** The ids of the cells that belong to this part. */
  readonly cells: readonly string[];
  /**
   * A database with the finished trials of this part, so that the same command can continue. This database is not the history
   * of all nights.
   */
  readonly history: History;
  /** The folder of the results, as an absolute path. */
  readonly dir: string;
  readonly cacheRoot: string;
  readonly jobs: number | undefined;
  readonly runId: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly writeRun: (run: FinishedRun) => Promise<void>;
}

/**
 * Runs the cells of one part of a plan, with the same kernels and seeds as a night on one host. Returns their results, which are
 * not judged yet. Throws `config` when a file or kernel differs from the plan, and `usage` when the folder has results of another
 * part or plan.
 */
export async function runShard(request: ShardRequest): Promise<ShardRecord> {
  const { plan, digest, cwd, shard, history, dir } = request;
  const only = new Set(request.cells);
  const own = plan.cells.filter(({ id }) => only.has(id));
  await requireSameInputs(plan, own, request);
  const night = await beginOrFind(request);
  const keys = new Set(own.map(machineKey));
  const whole = asNightPlan(plan, cwd);
  const budgetMs = plan.budget === undefined ? undefined : plan.budget * 60_000;
  const leftMs = budgetMs && Math.max(1, night.startedMs + budgetMs - Date.now());
  using budget = openBudget(request.signal, leftMs);
  const machines = await runMachines({
    ...request,
    ...budget,
    only,
    night: { id: night.id, name: plan.night, dir },
    // Cells of other parts stay in the plan when they share a machine with this part, because they decide names and seeds.
    plan: { ...whole, cells: whole.cells.filter((cell) => keys.has(machineKey(cell))), left: [] },
  });
  const trials = trialsOf(history, night.id)
    .filter(({ purpose }) => purpose === 'plan')
    .map(({ cell, facts }) => ({ cell, facts: storedJson(history, facts) as TrialFacts }));
  return shardRecord({
    plan: digest,
    shard,
    startedMs: night.startedMs,
    cutShort: budget.isSpent(),
    cells: own.map(({ id }) => id),
    machines: [...machines].map(([key, facts]) => ({
      cells: own.filter((cell) => machineKey(cell) === key).map(({ id }) => id),
      facts,
    })),
    trials,
  });
}

async function beginOrFind({
  plan,
  digest,
  shard,
  history,
  dir,
}: ShardRequest): Promise<StoredNight> {
  const found = openNight(history) ?? closedNights(history, 1)[0];
  if (found === undefined) {
    return beginNight(history, {
      name: plan.night,
      matrixFile: shard,
      matrixDigest: digest,
      dir,
      plan: '',
      startedMs: Date.now(),
      harness: writtenBy(),
    });
  }
  if (found.matrixDigest === digest && found.matrixFile === shard) return found;
  throw new HarnessError(
    'usage',
    `--out ${dir}: the folder has results of another part or plan; name a new folder`,
  );
}
