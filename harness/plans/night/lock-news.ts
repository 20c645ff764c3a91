import { type History, storedJson } from '../../history/database.ts';
import {
  kernelAt,
  type LockPast,
  type LockSubject,
  type LockUpdate,
  readLockPast,
  toldOrders,
  wasLookedAt,
} from '../../history/lock-orders.ts';
import type { StoredNight } from '../../history/nights.ts';
import { trialsOf } from '../../history/results.ts';
import { dependencyKey } from '../../locks/dependencies.ts';
import { describeDependency } from '../../locks/difference.ts';
import { changeOf } from '../../night/cell-items.ts';
import { kernelKey } from '../../night/cells.ts';
import type { JudgedCell } from '../../night/judge-cell.ts';
import {
  isLockNews,
  isSettled,
  type LockCounts,
  lateChance,
  silentLooks,
} from '../../night/lock-news.ts';
import type { Dependency } from '../../records/lock-order.ts';
import type { Cell, NightLock, NightRange } from '../../records/night.ts';
import { type CellLooks, type NightLooks, readLooks } from './looks.ts';

/** What a night reports about the order in which locks are taken, and what it adds to the history. */
export interface LockOutcome {
  readonly news: readonly NightLock[];
  readonly updates: readonly LockUpdate[];
  readonly notes: readonly string[];
}

/**
 * Resolves to true when, in the git tree of the cell's kernel, the commit `from` is an ancestor of the commit `to` or
 * the same commit.
 */
export type IsAncestor = (cell: Cell, from: string, to: string) => Promise<boolean>;

/**
 * A cell with its looks of this night. A look is what the first trial on a boot knew about lock order. These looks count, because
 * no earlier night looked at this kernel image.
 */
interface Looked {
  readonly judged: JudgedCell;
  readonly subject: LockSubject;
  readonly image: string;
  readonly looks: CellLooks;
  readonly past: LockPast;
}

/**
 * A lock dependency of a cell that the cell's first night did not see. The dependency showed later, so it may be new in the kernel.
 */
interface Late {
  readonly looked: Looked;
  readonly edge: Dependency;
  /** The first night that saw the dependency, by its id in the history. */
  readonly firstNight: number;
  readonly counts: LockCounts;
  /** The run of this night that showed the dependency; undefined when no run did. */
  readonly run: string | undefined;
}

/**
 * Compares the lock order that a night's trials learned with what earlier nights learned. The trials come from `trials` or, if that
 * is absent, from the history. Nothing is written.
 */
export async function judgeLockOrders(
  history: History,
  night: StoredNight,
  cells: readonly JudgedCell[],
  {
    isAncestor,
    trials = trialsOf(history, night.id),
  }: { readonly isAncestor: IsAncestor; readonly trials?: ReturnType<typeof trialsOf> | undefined },
): Promise<LockOutcome> {
  const found = await readLooks(history, night, trials);
  const looked = cells.flatMap((judged) => lookedAt(history, judged, found));
  const late = looked.flatMap((one) => lateOrders(one, night.id));
  const chosen = chooseNews(late, history);
  const news: NightLock[] = [];
  for (const one of chosen) news.push(await describe(one, { history, night, found, isAncestor }));
  return {
    news,
    updates: looked.map((one) => updateOf(one, late, chosen)),
    notes: found.notes,
  };
}

/**
 * What the cell's first trial on each boot knew about lock order. Returns an empty list when an earlier night looked at the
 * same kernel image.
 */
function lookedAt(history: History, judged: JudgedCell, found: NightLooks): readonly Looked[] {
  const { cell, kernel } = judged.input;
  const { image, ranOn } = kernel;
  if (image === null || ranOn === null) return [];
  return found.cells.flatMap((looks) => {
    const subject = { cell: cell.id, ranOn, setting: looks.setting };
    if (looks.cell !== cell.id || wasLookedAt(history, subject, image)) return [];
    return [{ judged, subject, image, looks, past: readLockPast(history, subject) }];
  });
}

function lateOrders(looked: Looked, tonight: number): readonly Late[] {
  const { looks, past } = looked;
  if (past.firstNight === undefined) return [];
  const seen = new Map(looks.seen.map((one) => [dependencyKey(one), one]));
  const known = new Set(past.orders.map(dependencyKey));
  const all = [
    ...past.orders.filter(({ firstNight }) => firstNight !== past.firstNight),
    ...looks.seen
      .filter((one) => !known.has(dependencyKey(one)))
      .map(({ from, to }) => ({ from, to, firstNight: tonight, hits: 0 })),
  ];
  return all.map(({ from, to, firstNight, hits }) => {
    const now = seen.get(dependencyKey({ from, to }));
    const before = past.nights.filter(({ night }) => night < firstNight);
    const since = past.nights.slice(before.length);
    const counts = {
      before: sumOfLooks(before),
      after: sumOfLooks(since) + looks.looks,
      hits: hits + (now?.hits ?? 0),
    };
    return { looked, edge: { from, to }, firstNight, counts, run: now?.run };
  });
}

function sumOfLooks(nights: LockPast['nights']): number {
  return nights.reduce((sum, { looks }) => sum + looks, 0);
}

/** A key for a lock dependency, the same in all cells of one kernel. */
function newsKey(cell: Cell, edge: Dependency): string {
  return `${kernelKey(cell)}\0${dependencyKey(edge)}`;
}

/**
 * The lock dependencies to report as new: the counts of a cell call them new, this night saw them, and no night has reported
 * them. A dependency that several cells of one kernel have is reported for the cell with the strongest evidence.
 */
function chooseNews(late: readonly Late[], history: History): readonly Late[] {
  const told = new Set(
    toldOrders(history).map((one) => newsKey(storedJson(history, one.described) as Cell, one)),
  );
  const best = new Map<string, Late>();
  for (const one of late) {
    const { counts, looked, edge, run } = one;
    const key = newsKey(looked.judged.input.cell, edge);
    const isOver = run === undefined || told.has(key) || isSettled(counts);
    if (isOver || !isLockNews(counts, late.length)) continue;
    const other = best.get(key);
    if (other === undefined || lateChance(counts) < lateChance(other.counts)) best.set(key, one);
  }
  return [...best.values()];
}

function updateOf(looked: Looked, late: readonly Late[], chosen: readonly Late[]): LockUpdate {
  const { subject, image, looks, past } = looked;
  const known = new Set(past.orders.map(dependencyKey));
  const counted = new Set(
    late
      .filter((one) => one.looked === looked && !isSettled(one.counts))
      .map(({ edge }) => dependencyKey(edge)),
  );
  return {
    subject,
    image,
    looks: looks.looks,
    seen: looks.seen
      .filter((one) => !known.has(dependencyKey(one)) || counted.has(dependencyKey(one)))
      .map(({ from, to, hits }) => ({ from, to, hits })),
    told: chosen.filter((one) => one.looked === looked).map(({ edge }) => edge),
  };
}

async function describe(
  { looked, edge, firstNight, counts, run = '' }: Late,
  about: {
    readonly history: History;
    readonly night: StoredNight;
    readonly found: NightLooks;
    readonly isAncestor: IsAncestor;
  },
): Promise<NightLock> {
  const { history, night, found } = about;
  const { cell, kernel } = looked.judged.input;
  const isTonight = firstNight === night.id;
  const first = isTonight
    ? { night: night.name, ...kernel }
    : kernelAt(history, cell.id, firstNight);
  const { from, to, cycle, almost } = describeDependency(found.orderOf(run), edge);
  return {
    cell: cell.id,
    from,
    to,
    ...(cycle === undefined ? {} : { cycle }),
    ...(almost === undefined ? {} : { almost }),
    range: await rangeOf({ looked, firstNight, counts }, first, about),
    firstSeen: first.night,
    hits: counts.hits,
    trials: counts.after,
    before: counts.before,
    sure: 1 - lateChance(counts),
    run,
  };
}

/**
 * The commits that may have brought a lock dependency. The range begins with the last night that, by the counts, did not have it,
 * and ends with the first night that saw it.
 */
async function rangeOf(
  { looked, firstNight, counts }: Pick<Late, 'looked' | 'firstNight' | 'counts'>,
  first: Omit<ReturnType<typeof kernelAt>, 'night'>,
  { history, isAncestor }: { readonly history: History; readonly isAncestor: IsAncestor },
): Promise<NightRange> {
  const { cell } = looked.judged.input;
  let left = silentLooks(counts);
  const without = looked.past.nights.filter(({ night }) => night < firstNight).toReversed();
  const at = without.find(({ looks }) => (left -= looks) <= 0) ?? without.at(-1);
  const then = at === undefined ? undefined : kernelAt(history, cell.id, at.night);
  const [from, to] = [then?.sha ?? null, first.sha];
  return {
    from,
    fromNight: then?.night ?? null,
    to,
    isKnown: from !== null && to !== null && (await isAncestor(cell, from, to)),
    ...changeOf(first, then),
  };
}
