import { join } from 'node:path';
import { makeFolder } from '../../host/disk.ts';
import { dependencyKey, type LockDump, type LockOrder } from '../../locks/dependencies.ts';
import { newDependencies, uniteOrders, watchedDependencies } from '../../locks/difference.ts';
import type { Dependency, NewDependency, SeenDependencies } from '../../records/lock-order.ts';
import { readLockOrder, readSeenDependencies, writeLockOrder } from '../../trial/lock-record.ts';

/**
 * The order in which locks were taken, for each kernel of a series. The lock orders are stored beside the journal, so that a
 * continued series has them.
 */
export interface LockOrders {
  /** Adds the lockdep dump of a trial to the kernel `name`, such as `patch-3`. */
  readonly add: (name: string, dump: LockDump) => void;
  /** Writes the dumps that were added since the last call. */
  readonly save: () => Promise<void>;
  /** Reads the lock order of a kernel, such as `patch-3`; undefined when none of its trials had a lockdep dump. */
  readonly of: (name: string) => Promise<LockOrder | undefined>;
  /**
   * For each dependency of a watched lock class: in how many trials of the kernel the lockdep dump has it. Undefined when no
   * trial had a dump.
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

/**
 * Opens the lock orders of a series. `dir` is the folder of the series. The lock order of the kernel NAME, such as `patch-3`, is in
 * the folder `locks/NAME` below `dir`.
 */
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
  // Several trials can end at the same time. Each write waits for the write before it, so that two writes never change one file.
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
 * For each kernel of a series, in the order of `names`: the dependencies of watched lock classes that came with this kernel. The
 * list of the first kernel is empty. A trial meets only a part of what a kernel can do. So a dependency is listed only if the
 * probability that all earlier trials missed it by chance is at most (1 - `confidence`) / (number of candidates). The lists are
 * hints and decide no verdict.
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
 * The probability that a dependency seems to begin at place `at` by chance alone. `before` and `after` are the numbers of
 * trials before this place and from this place on; `known` of them have the dependency, all in `after`. Returns 1 when no trial
 * has the dependency.
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
