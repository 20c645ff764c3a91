import type { CellClass, NightItem } from '../records/night.ts';
import { didShow, type JudgedTrial } from './judge-trial.ts';

/** The titles of reports about a task or a CPU that waits. The cause may be a bug that was reported before, such as a deadlock. */
const waits =
  /^(?:INFO: (?:task hung|task can't die|rcu detected stall)|BUG: (?:soft|hard|workqueue) lockup)\b/;

/** An item of a night about a splat of a cell, with the night's list on which it belongs. */
interface ListedItem {
  readonly list: CellClass;
  readonly item: NightItem;
}

/**
 * Returns the items; an item about a task or a CPU that waits gets the field `follows` when its splat is the consequence of another
 * splat. This is so when both splats are new or back in this cell, and each trial that showed the wait had shown the other splat
 * before. A report of another kind, such as a warning, never gets the field, because it may have a cause of its own. `atBoot` are
 * the keys of splats that the boot showed; such a splat gets no `follows`.
 */
export function withFollowUps(
  items: readonly ListedItem[],
  trials: readonly JudgedTrial[],
  atBoot: readonly string[],
): readonly ListedItem[] {
  const causes = new Set(
    items.flatMap(({ list, item }) => (isNews(list) && !isWait(item) ? [keyOf(item)] : [])),
  );
  return items.map(({ list, item }) => {
    const key = keyOf(item);
    if (!isNews(list) || !isWait(item) || atBoot.includes(key)) return { list, item };
    const before = trials
      .filter((trial) => didShow(trial, key))
      .map(({ facts: { splats } }) =>
        splats.slice(
          0,
          splats.findIndex((one) => one.key === key),
        ),
      );
    const [first = [], ...more] = before.map((splats) => splats.map((splat) => splat.key));
    const follows = first.find(
      (one) => causes.has(one) && more.every((keys) => keys.includes(one)),
    );
    return { list, item: follows === undefined ? item : { ...item, follows } };
  });
}

function isNews(list: CellClass): boolean {
  return list === 'new' || list === 'back';
}

function isWait({ title = '' }: NightItem): boolean {
  return waits.test(title);
}

function keyOf({ signature, title = '' }: NightItem): string {
  return signature || title;
}
