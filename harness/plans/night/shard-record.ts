import type { CellJob } from '../../records/cell-job.ts';
import type { ShardRecord } from '../../records/shard.ts';
import { writtenBy } from '../../trial/harness-facts.ts';

type Facts = Omit<ShardRecord, 'schema' | 'harness' | 'startedAt' | 'endedAt' | 'cutShort'>;

/** The contents of shard.json, the results of a part of a night. The end time of the part is the current time. */
export function shardRecord(
  facts: Facts & { readonly startedMs: number; readonly cutShort?: boolean },
): ShardRecord {
  const { startedMs, cutShort = false, plan, shard, ...results } = facts;
  return {
    schema: 'splat-shard/1',
    harness: writtenBy(),
    plan,
    shard,
    startedAt: new Date(startedMs).toISOString(),
    endedAt: new Date().toISOString(),
    cutShort,
    ...results,
  };
}

/**
 * The contents of shard.json for the job of a worker, which is a part of the night with one cell. Without `facts`, the job only
 * built a kernel.
 */
export function cellRecord(
  { cell, plan }: Pick<CellJob, 'cell' | 'plan'>,
  result: {
    readonly startedMs: number;
    readonly facts?: ShardRecord['machines'][number]['facts'];
    readonly trials?: ShardRecord['trials'];
  },
): ShardRecord {
  const { startedMs, facts, trials = [] } = result;
  const cells = [cell.id];
  return shardRecord({
    plan,
    shard: `cell ${cell.id}`,
    startedMs,
    cells,
    machines: facts === undefined ? [] : [{ cells, facts }],
    trials,
  });
}
