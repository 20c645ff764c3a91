import { join } from 'node:path';
import { makeFolder } from '../../host/disk.ts';
import type { LockDump, LockOrder } from '../../locks/dependencies.ts';
import { newDependencies, uniteOrders } from '../../locks/difference.ts';
import type { NewDependency } from '../../records/lock-order.ts';
import { readLockOrder, writeLockOrder } from '../../trial/lock-record.ts';

/** What the guests of each prefix learned of lock order, kept beside the journal: a series that goes on knows it. */
export interface LockOrders {
  /** `name` is that of the prefix. */
  readonly add: (name: string, dump: LockDump) => void;
  /** Writes what was added since the last time. */
  readonly save: () => Promise<void>;
  /** Undefined when none of its trials told. */
  readonly of: (name: string) => Promise<LockOrder | undefined>;
}

export function openLockOrders(dir: string): LockOrders {
  const fresh = new Map<string, LockOrder[]>();
  const folderOf = (name: string): string => join(dir, 'locks', name);
  const stored = async (name: string): Promise<LockOrder | undefined> =>
    readLockOrder(join(folderOf(name), 'result.json'));
  const write = async (): Promise<void> => {
    const added = new Map(fresh);
    fresh.clear();
    for (const [name, orders] of added) {
      const before = await stored(name);
      await makeFolder(folderOf(name));
      const all = uniteOrders(before === undefined ? orders : [before, ...orders]);
      await writeLockOrder(folderOf(name), all);
    }
  };
  // Trials end at any time: one file is never written by two of them.
  let saved: Promise<void> = Promise.resolve();
  return {
    add: (name, { order }) => void fresh.set(name, [...(fresh.get(name) ?? []), order]),
    save: async () => {
      saved = saved.then(write);
      await saved;
    },
    of: stored,
  };
}

/**
 * Dependencies at the watched classes that a prefix taught lockdep and none before it did; by the prefix's place in
 * `names`. Two trials do not meet everything a kernel can do: what is listed is a hint, and no verdict is made of it.
 */
export async function learnedDependencies(
  orders: LockOrders,
  names: readonly string[],
): Promise<readonly (readonly NewDependency[])[]> {
  const learned: (readonly NewDependency[])[] = [];
  let before: LockOrder | undefined;
  for (const name of names) {
    const order = await orders.of(name);
    learned.push(order === undefined || before === undefined ? [] : newDependencies(before, order));
    if (order !== undefined) before = uniteOrders(before === undefined ? [order] : [before, order]);
  }
  return learned;
}
