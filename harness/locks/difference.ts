import type { Dependency, NewDependency } from '../records/lock-order.ts';
import { canonicalRotation } from './cycle.ts';
import { type LockDump, type LockOrder, shortestPath } from './dependencies.ts';

/**
 * The watched lock classes, at which memory management and drivers meet. A new dependency from or to one of these classes is
 * reported.
 */
const watchedLocks = [
  'fs_reclaim',
  '&mm->mmap_lock',
  'dma_fence_map',
  'mmu_notifier_invalidate_range_start',
  'reservation_ww_class_acquire',
  'reservation_ww_class_mutex',
] as const;

/**
 * The watched classes that ordinary actions enter, whatever lock is held. The actions are an allocation that may reclaim, a fault
 * or copy from user memory, and the signalling of a fence.
 */
const ordinary = watchedLocks.slice(0, 3);

const watched = new Set<string>(watchedLocks);

/** The dependencies in a lock order from or to a watched class (`watchedLocks`). */
export function watchedDependencies(order: LockOrder): readonly Dependency[] {
  return [...order].flatMap(([from, inner]) =>
    [...inner].flatMap((to) => (watched.has(from) || watched.has(to) ? [{ from, to }] : [])),
  );
}

/**
 * The dependencies from or to a watched class that `now` has and `before` lacks. Each dependency is described by
 * describeDependency(). The result is sorted by name.
 */
export function newDependencies(before: LockOrder, now: LockOrder): readonly NewDependency[] {
  const found = watchedDependencies(now)
    .filter(({ from, to }) => before.get(from)?.has(to) !== true)
    .map((one) => describeDependency(now, one));
  return found.toSorted((a, b) => compareNames(a.from, b.from) || compareNames(a.to, b.to));
}

/**
 * Describes a dependency. `cycle` is the shortest cycle that the dependency closes in `order`. When the dependency closes no
 * cycle, `almost` is the shortest path from an ordinary class over `from` to `to`. One more dependency, from `to` to that
 * ordinary class, would make the path a cycle. When there is no such path either, both fields are absent.
 */
export function describeDependency(order: LockOrder, { from, to }: Dependency): NewDependency {
  const back = shortestPath(order, to, from);
  if (back !== undefined) return { from, to, cycle: [from, ...back.slice(0, -1)] };
  const paths = ordinary.flatMap((entry) => {
    const path = entry === from ? undefined : shortestPath(order, entry, from);
    return path === undefined || path.includes(to) ? [] : [[...path, to]];
  });
  const [almost] = paths.toSorted((a, b) => a.length - b.length);
  return almost === undefined ? { from, to } : { from, to, almost };
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The union of the lock orders that several guests of one kernel learned. */
export function uniteOrders(orders: Iterable<LockOrder>): LockOrder {
  const all = new Map<string, Set<string>>();
  for (const order of orders) {
    for (const [lock, inner] of order) {
      const known = all.get(lock) ?? new Set();
      for (const other of inner) known.add(other);
      all.set(lock, known);
    }
  }
  return all;
}

/**
 * The cycles through a watched class that a hidden dependency closes. lockdep does not record hidden dependencies, so it reported
 * none of these cycles. For each hidden dependency only the shortest cycle is examined. Each cycle occurs once, in canonical
 * rotation, shortest first.
 */
export function unreportedCycles({ order, hidden }: LockDump): readonly (readonly string[])[] {
  const full = uniteOrders([order, asOrder(hidden)]);
  const found = new Map<string, readonly string[]>();
  for (const { from, to } of hidden) {
    const back = shortestPath(full, to, from);
    if (back === undefined) continue;
    const cycle = canonicalRotation([from, ...back.slice(0, -1)]);
    if (cycle.some((lock) => watched.has(lock))) found.set(cycle.join('\0'), cycle);
  }
  return [...found.values()].toSorted((a, b) => a.length - b.length);
}

function asOrder(dependencies: readonly Dependency[]): LockOrder {
  const order = new Map<string, Set<string>>();
  for (const { from, to } of dependencies) {
    const inner = order.get(from) ?? new Set();
    inner.add(to);
    order.set(from, inner);
  }
  return order;
}
