import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeWhole } from '../host/disk.ts';
import { readRecord } from '../host/record-file.ts';
import type { LockDump, LockOrder } from '../locks/dependencies.ts';
import {
  newDependencies,
  uniteOrders,
  unreportedCycles,
  watchedDependencies,
} from '../locks/difference.ts';
import {
  type Dependency,
  type LockLook,
  type LockNews,
  type LockOrderFile,
  lockOrderSchema,
  type SeenDependencies,
  type UnreportedCycle,
} from '../records/lock-order.ts';
import { writtenBy } from './harness-facts.ts';

/** Collects the lock order that lockdep had learned by the end of each trial. */
export interface LockRecord {
  readonly add: (trial: LookedAt, dump: LockDump) => void;
  /** Returns the dependencies (a lock taken while another lock is held) that lockdep knew in any of the trials. */
  readonly order: () => LockOrder;
  /**
   * Returns, for each dependency from or to a watched lock class (locks/difference.ts), in how many and in which trials lockdep
   * knew the dependency.
   */
  readonly seen: () => SeenDependencies;
  /**
   * Returns in `learned` the dependencies that `baseline` does not have (null without a baseline), and in `unreported` the cycles
   * that lockdep cannot find.
   */
  readonly news: (baseline: LockOrder | undefined) => LockNews;
}

/** A trial at whose end lockdep's tables were read. */
export type LookedAt = Pick<LockLook, 'trial' | 'boot' | 'setting'>;

/**
 * Opens a collection of what lockdep learned in trials. The caller may add different trials in any order, but must add the tries
 * of a repeated trial in their order.
 */
export function openLockRecord(): LockRecord {
  const dumps: { readonly trial: string; readonly dump: LockDump }[] = [];
  // For seen(), a trial that was repeated counts once, with its last try.
  const last = new Map<string, { readonly look: LookedAt; readonly order: LockOrder }>();
  const order = (): LockOrder => uniteOrders(dumps.map(({ dump }) => dump.order));
  const trialsWith = ({ from, to }: Dependency): readonly string[] =>
    sortedOnce(
      dumps.filter(({ dump }) => dump.order.get(from)?.has(to) === true).map(({ trial }) => trial),
    );
  return {
    add: (look, dump) => {
      dumps.push({ trial: look.trial, dump });
      last.set(look.trial, { look, order: dump.order });
    },
    order,
    seen: () => countSeen([...last.values()]),
    news: (baseline) => {
      const now = order();
      const learned = baseline === undefined ? null : newDependencies(baseline, now);
      return {
        dependencies: [...now.values()].reduce((sum, inner) => sum + inner.size, 0),
        learned: learned?.map((one) => ({ ...one, trials: trialsWith(one) })) ?? null,
        unreported: gatherCycles(dumps),
      };
    },
  };
}

function countSeen(
  trials: readonly { readonly look: LookedAt; readonly order: LockOrder }[],
): SeenDependencies {
  const sorted = trials.toSorted((a, b) => (a.look.trial < b.look.trial ? -1 : 1));
  const dependencies = watchedDependencies(uniteOrders(sorted.map(({ order }) => order)));
  const looks = sorted.map(({ look, order }) => ({
    ...look,
    lacks: dependencies.flatMap(({ from, to }, at) =>
      order.get(from)?.has(to) === true ? [] : [at],
    ),
  }));
  const counts = dependencies.map(() => looks.length);
  for (const { lacks } of looks) for (const at of lacks) counts[at] = (counts[at] ?? 0) - 1;
  return {
    trials: looks.length,
    dependencies: dependencies.map((one, at) => ({ ...one, count: counts[at] ?? 0 })),
    looks,
  };
}

function gatherCycles(
  dumps: readonly { readonly trial: string; readonly dump: LockDump }[],
): readonly UnreportedCycle[] {
  const found = new Map<string, { cycle: readonly string[]; trials: string[] }>();
  for (const { trial, dump } of dumps) {
    for (const cycle of unreportedCycles(dump)) {
      const key = cycle.join('\0');
      const seen = found.get(key) ?? { cycle, trials: [] };
      seen.trials.push(trial);
      found.set(key, seen);
    }
  }
  return [...found.values()].map(({ cycle, trials }) => ({ cycle, trials: sortedOnce(trials) }));
}

/** Returns the ids sorted, each once. A trial with several tries was added several times. */
function sortedOnce(trials: readonly string[]): readonly string[] {
  return [...new Set(trials)].toSorted();
}

const fileName = 'locks.json';

/** Writes the lock order to the file locks.json in `dir`, sorted, so that people can compare two such files. */
export async function writeLockOrder(
  dir: string,
  order: LockOrder,
  seen?: SeenDependencies,
): Promise<void> {
  const rows = [...order].map(([lock, inner]) => [lock, [...inner].toSorted()] as const);
  const file: LockOrderFile = {
    schema: 'splat-locks/1',
    harness: writtenBy(),
    order: Object.fromEntries(rows.toSorted(([a], [b]) => (a < b ? -1 : 1))),
    ...(seen && { seen }),
  };
  await writeWhole(join(dir, fileName), `${JSON.stringify(file, null, 1)}\n`);
}

/**
 * Returns the lock order that a run learned, from the file locks.json in the folder of its result.json (`resultFile`). Returns
 * undefined when there is no locks.json. Throws `usage` for a locks.json with other content.
 */
export async function readLockOrder(resultFile: string): Promise<LockOrder | undefined> {
  const record = await readRecord(join(dirname(resultFile), fileName), lockOrderSchema);
  return record === undefined ? undefined : recordedOrder(record);
}

/**
 * Returns the lock order in a locks.json as a map from the name of a held lock to the names of the locks that were taken while
 * that lock was held.
 */
export function recordedOrder({ order }: Pick<LockOrderFile, 'order'>): LockOrder {
  return new Map(Object.entries(order).map(([lock, inner]) => [lock, new Set(inner)]));
}

/**
 * Returns in how many trials lockdep knew each dependency from or to a watched lock class, from the file locks.json beside a
 * result.json. The trials are those of a run, or of a series with its first patches. Returns undefined when there is no locks.json,
 * and when the file does not count trials.
 */
export async function readSeenDependencies(
  resultFile: string,
): Promise<SeenDependencies | undefined> {
  return (await readRecord(join(dirname(resultFile), fileName), lockOrderSchema))?.seen;
}

/** Copies the file locks.json from the folder of a result.json to `folder`. Does nothing when there is no locks.json. */
export async function copyLockOrder(resultFile: string, folder: string): Promise<void> {
  try {
    await copyFile(join(dirname(resultFile), fileName), join(folder, fileName));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
