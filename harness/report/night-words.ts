import { cellName } from '../night/cells.ts';
import type { NightItem, NightRecord } from '../records/night.ts';

/** Lists of a night in the order they are told in; the first four wake somebody. */
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

/** `linux@master kasan munmap`; the id of a cell that the night does not have. */
export function cellTitle(night: NightRecord, id: string): string {
  const cell = night.cells.find((one) => one.id === id);
  return cell === undefined ? id : cellName(cell);
}

/** What is told of an item beside its title and cell: `3 of 6 trials (12 % to 88 %)`, `first seen 2026-11-29`, `abc..def`. */
export function itemDetails(item: NightItem, night: NightRecord): readonly string[] {
  return [...countDetails(item, night), ...otherDetails(item)].filter((text) => text !== '');
}

function countDetails(item: NightItem, night: NightRecord): readonly string[] {
  const { hits, trials, interval, firstSeen, rateBefore, sure, range, confirmation } = item;
  return [
    hits === undefined || trials === undefined
      ? ''
      : `${hits} of ${trials} trials${inPercent(interval)}`,
    rateBefore === undefined ? '' : `before ${percent(rateBefore)}`,
    sure === undefined ? '' : `sure to ${(sure * 100).toFixed(2)} %`,
    firstSeen === undefined || firstSeen === night.night
      ? ''
      : `first seen ${firstSeen.slice(0, 10)}`,
    range === undefined ? '' : rangeText(range),
    confirmation === undefined ? '' : confirmationText(confirmation),
  ];
}

function otherDetails({
  blind,
  because,
  reason,
  expires,
  owner,
  link,
  bisection,
  log,
}: NightItem): readonly string[] {
  return [
    blind === true ? 'blind' : '',
    because ?? '',
    reason === undefined ? '' : `${reason} (until ${expires})`,
    owner ?? '',
    link ?? '',
    bisection === undefined ? '' : bisectionText(bisection),
    log ?? '',
  ];
}

function inPercent([low, high]: readonly number[] = []): string {
  if (low === undefined || high === undefined) return '';
  return ` (${percent(low)} to ${percent(high)})`;
}

function percent(rate: number): string {
  return `${Math.round(rate * 100)} %`;
}

function rangeText({ from, fromNight, to, isKnown }: NonNullable<NightItem['range']>): string {
  if (fromNight === null) return 'never run before';
  if (from === null || to === null) return `not seen on ${fromNight.slice(0, 10)}`;
  if (from === to) return `the kernel is that of ${fromNight.slice(0, 10)}`;
  const both = `${from.slice(0, 12)}..${to.slice(0, 12)}`;
  return isKnown ? both : `${both}, moved: the range is unknown`;
}

/** `brought by 0123456789ab ("mm: x"), 99 % sure`; one of several commits, or why there is no answer. */
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

function confirmationText({
  forks,
  boots,
  lastGood,
  interval,
}: NonNullable<NightItem['confirmation']>): string {
  const good =
    lastGood === null ? '' : `, ${lastGood.hits} of ${lastGood.trials} on the last good kernel`;
  return `again: ${forks.hits} of ${forks.trials} copies, ${boots.hits} of ${boots.trials} boots${inPercent(interval)}${good}`;
}
