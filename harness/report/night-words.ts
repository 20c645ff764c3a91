import { cellName } from '../night/cells.ts';
import type { NightItem, NightLock, NightRecord, Trend } from '../records/night.ts';
import { confirmationWords, followsWords, rateWords, sinceWords } from './item-words.ts';
import { seconds } from './run-words.ts';
import { percent } from './series-words.ts';

/** The lists of a night, in the order of reports. The first four make a night fail, so somebody must look at them. */
export const nightLists = [
  ['new', 'new'],
  ['back', 'back'],
  ['broken', 'broken kernels'],
  ['disappeared', 'disappeared'],
  ['infrastructure', 'infrastructure'],
  ['inconclusive', 'inconclusive'],
  ['rateChanged', 'rate changed'],
  ['gone', 'gone'],
  ['repaired', 'repaired'],
  ['known', 'known'],
  ['notThere', 'not there'],
  ['dropped', 'dropped'],
  ['notRun', 'not run'],
] as const satisfies readonly (readonly [keyof NightRecord, string])[];

/** Returns the name of a cell: `linux@master kasan munmap`. Returns the id for a cell that the night does not have. */
export function cellTitle(night: NightRecord, id: string): string {
  const cell = night.cells.find((one) => one.id === id);
  return cell === undefined ? id : cellName(cell);
}

/**
 * Returns the details of an item of a night's list, besides the item's title and cell: `3 of 6 trials (12 % to 88 %)`,
 * `first seen ...`, `brought by ...`.
 */
export function itemDetails(item: NightItem, night: NightRecord): readonly string[] {
  const { sure, confirmation, blind, because, reason, expires, owner, link, bisection, log } = item;
  const { follows } = item;
  const told: readonly (string | false | null | undefined)[] = [
    rateWords(item),
    sure !== undefined && `sure to ${percent(sure)}`,
    sinceWords(item, night),
    follows !== undefined && followsWords(item, night),
    confirmation !== undefined && `tried again: ${confirmationWords(confirmation)}`,
    blind === true && 'blind',
    because,
    reason !== undefined && `${reason} (until ${expires})`,
    owner,
    link,
    bisection !== undefined && bisectionText(bisection),
    log,
  ];
  return told.filter((text): text is string => typeof text === 'string' && text !== '');
}

/**
 * Returns a trend in words: what was measured, the value in this night, and the value before, such as `time to WARNING in foo`,
 * `2.9 s`, `1.2 s`.
 */
export function trendWords({
  what,
  title,
  now,
  before,
}: Trend): readonly [what: string, now: string, before: string] {
  if (what !== 'firstSplatMs') return [what, String(Math.round(now)), String(Math.round(before))];
  return [`time to ${title ?? 'detect'}`, seconds(now), seconds(before)];
}

/**
 * Returns a new lock dependency in words: `mmap_lock -> fs_reclaim; linux@master hmm; in 3 of 3 trials, none of 30 before; last
 * without it 2026-11-28 19:43 UTC; ...`.
 */
export function lockWords(lock: NightLock, night: NightRecord): string {
  const { from, to, cell } = lock;
  const told = [
    `${from} -> ${to}`,
    cycleWords(lock),
    cellTitle(night, cell),
    ...lockDetails(lock, night),
  ];
  return told.filter((part) => part !== '').join('; ');
}

/** Returns what a new lock dependency means for a deadlock. Returns an empty string when it means nothing. */
export function cycleWords({ to, cycle, almost }: NightLock): string {
  if (cycle !== undefined) return `in the cycle ${[...cycle, cycle[0]].join(' -> ')}`;
  if (almost === undefined) return '';
  return `${almost.join(' -> ')}: a deadlock if ${almost[0]} is ever entered under ${to}`;
}

/** Returns how many trials showed a new lock dependency, and when it was first seen. */
export function lockDetails(
  { cell, hits, trials, before, firstSeen, range, run }: NightLock,
  night: NightRecord,
): readonly string[] {
  const counts =
    hits === undefined || trials === undefined || before === undefined
      ? ''
      : `in ${hits} of ${trials} trials, none of ${before} before`;
  const seen = {
    cell,
    ...(firstSeen === undefined ? {} : { firstSeen }),
    ...(range === undefined ? {} : { range }),
  };
  return [counts, sinceWords(seen, night), run === undefined ? '' : `seen in ${run}`].filter(
    (part) => part !== '',
  );
}

/**
 * Returns the result of a bisection: `brought by 0123456789ab ("mm: x"), 99 % sure`, one of several commits, or the reason why
 * there is no answer.
 */
export function bisectionText(bisection: NonNullable<NightItem['bisection']>): string {
  const { culprit, subject, candidates, confidence, because, dir } = bisection;
  if (because !== undefined) return `bisection: ${because}, in ${dir}`;
  const name = subject === undefined ? '' : ` ("${subject}")`;
  const found =
    culprit === null
      ? `one of ${candidates.map((id) => id.slice(0, 12)).join(', ')}`
      : `${culprit.slice(0, 12)}${name}`;
  return `brought by ${found}, ${percent(confidence)} sure`;
}
