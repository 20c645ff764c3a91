import type { NightItem, NightRecord } from '../records/night.ts';
import { percent } from './series-words.ts';

/** Returns a time, such as the name of a night, in words: `2026-11-29 19:43 UTC`. */
export function timeWords(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}

/** Returns how often the splat of an item showed: `3 of 6 trials (12 % to 88 %)`. Returns null for an item without counts. */
export function rateWords({ hits, trials, interval, rateBefore }: NightItem): string | null {
  if (hits === undefined || trials === undefined) return null;
  const [low, high] = interval ?? [];
  const between =
    low === undefined || high === undefined ? '' : ` (${percent(low)} to ${percent(high)})`;
  const before = rateBefore === undefined ? '' : `, ${percent(rateBefore)} before`;
  return `${hits} of ${trials} trials${between}${before}`;
}

/**
 * Returns the night in which an item was first seen, and how the kernel has changed since the last night without the item. Returns
 * an empty string when neither is known.
 */
export function sinceWords(item: NightItem, { night }: NightRecord): string {
  const { firstSeen, range } = item;
  const seen =
    firstSeen === undefined
      ? null
      : firstSeen === night
        ? 'first seen this night'
        : `first seen ${timeWords(firstSeen)}`;
  return [seen, range === undefined ? null : rangeWords(range)].filter(Boolean).join('; ');
}

function rangeWords({
  from,
  fromNight,
  to,
  isKnown,
  change,
}: NonNullable<NightItem['range']>): string {
  if (fromNight === null) return 'never run before';
  const good = `last without it ${timeWords(fromNight)}`;
  if (change === 'none') return `${good}, on the same kernel`;
  if (change !== undefined) return `${good}; what changed: ${change}`;
  if (from === null || to === null) return good;
  if (from === to) return `${good}, on the same commit`;
  const both = `${from.slice(0, 12)}..${to.slice(0, 12)}`;
  return isKnown
    ? `${good}; the kernel changed: ${both}`
    : `${good}; the branch was moved: ${both} is no range`;
}

/** The words for a known splat that makes every trial of its cell blind. */
export const blindWords = 'it leaves every trial of the cell blind';

/**
 * The words for a known splat. With an entry in the file of known issues: the entry's text, such as
 * `flaky; dri-devel; until 2027-01-31`. Without an entry: the first night that saw the splat. Returns an empty string when neither
 * is known.
 */
export function knownWords({ reason, owner, link, expires, firstSeen }: NightItem): string {
  if (reason === undefined) {
    return firstSeen === undefined ? '' : `nights saw it since ${timeWords(firstSeen)}`;
  }
  const until = expires === undefined ? undefined : `until ${expires}`;
  return [reason, owner, link, until].filter((one) => one !== undefined).join('; ');
}

/** Returns which splat made the task or the CPU of an item wait: `it follows possible deadlock in foo, in the same trials`. */
export function followsWords({ cell, follows }: NightItem, night: NightRecord): string {
  const cause = [...night.new, ...night.back].find(
    (one) => one.cell === cell && (one.signature || one.title) === follows,
  );
  return `it follows ${cause?.title ?? follows}, in the same trials`;
}

/** Returns the results of the trials with which a night tested a new splat again. */
export function confirmationWords(again: NonNullable<NightItem['confirmation']>): string {
  const { forks, boots, lastGood, rate, interval } = again;
  const [low, high] = interval.map(percent);
  const good =
    lastGood === null ? '' : `; ${lastGood.hits} of ${lastGood.trials} on the last good kernel`;
  const together = rate === null ? '' : `, together ${percent(rate)} (${low} to ${high})`;
  return `${forks.hits} of ${forks.trials} in copies of saved boots, ${boots.hits} of ${boots.trials} in boots of their own${together}${good}`;
}
