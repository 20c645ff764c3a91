import { join } from 'node:path';
import { makeFolder } from '../../host/disk.ts';
import { dependencyKey, type LockDump, type LockOrder } from '../../locks/dependencies.ts';
import { newDependencies, uniteOrders, watchedDependencies } from '../../locks/difference.ts';
import type { Dependency, NewDependency, SeenDependencies } from '../../records/lock-order.ts';
import { readLockOrder, readSeenDependencies, writeLockOrder } from '../../trial/lock-record.ts';

/** The lock order that lockdep learned on each prefix. It is stored beside the journal so that a continued series has it. */
export interface LockOrders {
  /** Adds the dump of a trial to the prefix `name`. */
  readonly add: (name: string, dump: LockDump) => void;
  /** Writes the dumps that were added since the last call. */
  readonly save: () => Promise<void>;
  /** The lock order of a prefix; undefined when no trial of it had a dump. */
  readonly of: (name: string) => Promise<LockOrder | undefined>;
  /**
   * For each dependency at a watched lock class, the number of trials of the prefix whose dump has it; undefined when no trial had
   * a dump.
   */
  readonly seenIn: (name: string) => Promise<SeenDependencies | undefined>;
}

function countSeen(
  before: SeenDependencies | undefined,
  added: readonly LockOrder[],
): SeenDependencies {
  const counts = new Map(before?.dependencies.map((one) => [dependencyKey(one), one]));
  for (const one of added.flatMap(watchedDependencies)) {
    const { count = 0 } = counts.get(dependencyKey(one)) ?? {};
    counts.set(dependencyKey(one), { ...one, count: count + 1 });
  }
  const trials = (before?.trials ?? 0) + added.length;
  return { trials, dependencies: [...counts.values()] };
}

/** Opens the lock orders of the series in the folder `dir`: those of prefix NAME are in `locks/NAME`. */
export function openLockOrders(dir: string): LockOrders {
  const fresh = new Map<string, LockOrder[]>();
  const folderOf = (name: string): string => join(dir, 'locks', name);
  const stored = async (name: string): Promise<LockOrder | undefined> =>
    readLockOrder(join(folderOf(name), 'result.json'));
  const counted = async (name: string): Promise<SeenDependencies | undefined> =>
    readSeenDependencies(join(folderOf(name), 'result.json'));
  const write = async (): Promise<void> => {
    const added = new Map(fresh);
    fresh.clear();
    for (const [name, orders] of added) {
      const before = await stored(name);
      const seen = countSeen(await counted(name), orders);
      await makeFolder(folderOf(name));
      const all = uniteOrders(before === undefined ? orders : [before, ...orders]);
      await writeLockOrder(folderOf(name), all, seen);
    }
  };
  // Several trials can end at the same time. Each write waits for the one before it, so that no two write the same file.
  let saved: Promise<void> = Promise.resolve();
  return {
    add: (name, { order }) => void fresh.set(name, [...(fresh.get(name) ?? []), order]),
    save: async () => {
      saved = saved.then(write);
      await saved;
    },
    of: stored,
    seenIn: counted,
  };
}

/**
 * By index in `names`: the dependencies at the watched lock classes that came with a prefix. The first prefix has none. One trial
 * meets only a part of what a kernel can do. So a dependency is listed only when it is improbable that all earlier trials missed
 * it by chance: the probability is at most 1 - `confidence`, divided by the number of candidates. The list is a hint and decides
 * no verdict.
 */
export async function learnedDependencies(
  orders: LockOrders,
  names: readonly string[],
  confidence: number,
): Promise<readonly (readonly NewDependency[])[]> {
  const seen = await Promise.all(names.map((name) => orders.seenIn(name)));
  const learned: (readonly NewDependency[])[] = [];
  let before: LockOrder | undefined;
  for (const [at, name] of names.entries()) {
    const order = await orders.of(name);
    const candidates =
      order === undefined || before === undefined ? [] : newDependencies(before, order);
    const mostChance = (1 - confidence) / Math.max(1, candidates.length);
    learned.push(candidates.filter((one) => chanceOf(one, seen, at) <= mostChance));
    if (order !== undefined) before = uniteOrders(before === undefined ? [order] : [before, order]);
  }
  return learned;
}

/**
 * The probability that, by chance alone, all trials whose dump has the dependency are on prefixes from the place `at` on: `known`
 * trials are drawn from `before` + `after` trials, and all of them fall into `after`. 1 when no trials were counted.
 */
function chanceOf(
  dependency: Dependency,
  seen: readonly (SeenDependencies | undefined)[],
  at: number,
): number {
  const trialsOf = (some: typeof seen): number =>
    some.reduce((sum, one) => sum + (one?.trials ?? 0), 0);
  const before = trialsOf(seen.slice(0, at));
  const after = trialsOf(seen.slice(at));
  const name = dependencyKey(dependency);
  const known = seen
    .slice(at)
    .flatMap((one) => one?.dependencies.filter((other) => dependencyKey(other) === name) ?? [])
    .reduce((sum, { count }) => sum + count, 0);
  let chance = 1;
  for (let drawn = 0; drawn < known; drawn += 1) {
    chance *= (after - drawn) / (before + after - drawn);
  }
  return chance;
}
