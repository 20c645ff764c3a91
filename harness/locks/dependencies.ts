import type { Dependency } from '../records/lock-order.ts';
import { canonicalLockName } from './lock-line.ts';

/**
 * The lock order that lockdep learned in a kernel. The key is a lock class; the values are the classes that were acquired while the
 * key's class was held. Only names are equal in every boot, so classes of one name (`&q->lock`, `&q->lock#2`) count as one class. A
 * name is left out when a class of this name was never acquired with interrupts enabled, or was acquired in an interrupt. The
 * spinlocks inside mutexes and rw_semaphores are left out as well. All these locks are acquired under other locks by chance, and
 * none of the watched classes (difference.ts) can be entered while they are held.
 */
export type LockOrder = ReadonlyMap<string, ReadonlySet<string>>;

/** The content of /proc/lockdep and /proc/lockdep_chains (kernel/locking/lockdep_proc.c; same format in 5.10 to 6.12). */
export interface LockDump {
  /** The direct dependencies that lockdep recorded. */
  readonly order: LockOrder;
  /**
   * Dependencies that lockdep does not record. The two locks are held together, and only recursive readers were taken between them:
   * check_prevs_add() stops at such a reader. A deadlock through such a dependency is real, but lockdep's search does not find it.
   */
  readonly hidden: readonly Dependency[];
}

/** wait_lock of struct mutex and of struct rw_semaphore, as their initializers name them. */
const insideOfLocks = new Set(['&lock->wait_lock', '&sem->wait_lock']);

/**
 * A line of /proc/lockdep with the usage and name of a class. The usage has one character each for hardirq, hardirq-read, softirq
 * and softirq-read: `+` acquired with interrupts enabled, `-` acquired in an interrupt, `?` both, `.` neither
 * (lockdep-design.rst).
 */
const classLine = /^[0-9a-f]{8,16} (?:OPS: *\d+ )?FD: *\d+ BD: *\d+ ([^:]{4,8}): (.+)$/;
const dependencyLine = /^ -> \[[0-9a-f]{8,16}\] (.+)$/;
const chainLine = /^\[[0-9a-f]{8,16}\] (.+)$/;

/** Reads the texts of /proc/lockdep and /proc/lockdep_chains. For a file that is absent, the text is empty. */
export function readLockDump(lockdep: string, chains: string): LockDump {
  const order = readOrder(lockdep);
  return { order, hidden: hiddenDependencies(order, readChains(chains)) };
}

function readOrder(lockdep: string): Map<string, Set<string>> {
  const order = new Map<string, Set<string>>();
  const left = new Set<string>();
  let inner = new Set<string>();
  for (const line of lockdep.split('\n')) {
    const dependency = dependencyLine.exec(line)?.[1];
    if (dependency !== undefined) {
      inner.add(canonicalLockName(dependency));
      continue;
    }
    const [, usage = '', name] = classLine.exec(line) ?? [];
    if (name === undefined) continue;
    const lock = canonicalLockName(name);
    const canSleep = /^(?:\+.|.\+)/.test(usage) && !/[-?]/.test(usage);
    if (!canSleep || insideOfLocks.has(lock)) left.add(lock);
    inner = order.get(lock) ?? new Set();
    order.set(lock, inner);
  }
  for (const lock of left) order.delete(lock);
  for (const others of order.values()) {
    for (const lock of left) others.delete(lock);
  }
  return order;
}

/** The chains of /proc/lockdep_chains: classes held together, in the order of their acquisition. */
function readChains(chains: string): readonly (readonly string[])[] {
  const all: string[][] = [];
  let chain: string[] = [];
  for (const line of chains.split('\n')) {
    const name = chainLine.exec(line)?.[1];
    if (name !== undefined) chain.push(canonicalLockName(name));
    else if (chain.length > 0) {
      all.push(chain);
      chain = [];
    }
  }
  if (chain.length > 0) all.push(chain);
  return all;
}

/** The read locks of RCU and SRCU, which are recursive: nothing but the wait for a grace period waits for their readers. */
const recursiveReader = /^(?:rcu_read_lock(?:_bh|_sched)?|\w*srcu\w*|&.*srcu.*)$/;

function hiddenDependencies(
  order: LockOrder,
  chains: readonly (readonly string[])[],
): readonly Dependency[] {
  const found = new Map<string, Dependency>();
  for (const chain of chains) {
    for (const [at, to] of chain.entries()) {
      const reader = chain[at - 1];
      if (reader === undefined || !recursiveReader.test(reader)) continue;
      // A trylock makes a chain without a dependency, because a trylock does not wait.
      if (order.get(reader)?.has(to) !== true || recursiveReader.test(to)) continue;
      const from = chain.slice(0, at).findLast((lock) => !recursiveReader.test(lock));
      if (from === undefined || from === to || order.get(from)?.has(to) === true) continue;
      found.set(dependencyKey({ from, to }), { from, to });
    }
  }
  return [...found.values()];
}

/** A text for maps and sets that is equal for equal dependencies. No lock class has a NUL in its name. */
export function dependencyKey({ from, to }: Dependency): string {
  return `${from}\0${to}`;
}

/**
 * The shortest path of dependencies from one lock class to another. The path includes both classes, and has no recursive read lock
 * between them. Undefined when there is no such path.
 */
export function shortestPath(
  order: LockOrder,
  from: string,
  to: string,
): readonly string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [from];
  for (const lock of queue) {
    for (const next of order.get(lock) ?? []) {
      if (next === to) return [...pathTo(cameFrom, from, lock), to];
      if (next === from || cameFrom.has(next) || recursiveReader.test(next)) continue;
      cameFrom.set(next, lock);
      queue.push(next);
    }
  }
  return undefined;
}

function pathTo(cameFrom: ReadonlyMap<string, string>, from: string, end: string): string[] {
  const path = [end];
  for (let lock = end; lock !== from; ) {
    lock = cameFrom.get(lock) ?? from;
    path.unshift(lock);
  }
  return path;
}
