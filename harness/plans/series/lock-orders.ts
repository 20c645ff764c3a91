import { join } from 'node:path';
import { makeFolder } from '../../host/disk.ts';
import type { LockDump, LockOrder } from '../../locks/dependencies.ts';
import { newDependencies, uniteOrders } from '../../locks/difference.ts';
import type { NewDependency } from '../../records/lock-order.ts';
import { readLockOrder, writeLockOrder } from '../../trial/lock-record.ts';

/** The lock order that the guests of each prefix learned, kept beside the journal so that a continued series has it. */
export interface LockOrders {
  /** Adds the dump of a trial to the prefix `name`. */
  readonly add: (name: string, dump: LockDump) => void;
  /** Writes the dumps that were added since the last call. */
  readonly save: () => Promise<void>;
  /** The lock order of a prefix; undefined when no trial of it had a dump. */
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
  // Trials end at any time: writes follow one another, so two never write one file.
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
 * By index in `names`: the dependencies at the watched classes that a prefix taught lockdep and no earlier prefix did.
 * A trial meets only a part of what a kernel can do, so the list is a hint and decides no verdict.
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
