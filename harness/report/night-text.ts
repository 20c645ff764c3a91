import { counted } from '../counted.ts';
import type { NightItem, NightRecord } from '../records/night.ts';
import { cellTitle, itemDetails, lockWords, nightLists, trendWords } from './night-words.ts';
import { plain } from './plain.ts';
import { styleFor } from './style.ts';

/** The lists of a night that a terminal shows only as a number when they have more than five items. */
const briefLists: readonly string[] = ['notThere', 'notRun', 'known'];
const mostShown = 20;

/**
 * Returns a night as text for a terminal. Each item gets a line, new items first, with at most 20 items of each list. Then come the
 * verdict and `dir`, the night's folder.
 */
export function describeNight(
  night: NightRecord,
  { colour, dir }: { readonly colour: boolean; readonly dir: string },
): string {
  const style = styleFor(colour);
  const lines: string[] = [];
  for (const [list, title] of nightLists) {
    const items: readonly NightItem[] = night[list];
    if (items.length === 0) continue;
    const isBrief = briefLists.includes(list) && items.length > 5;
    lines.push(style.strong(`${title}: ${items.length}`));
    for (const item of isBrief ? [] : items.slice(0, mostShown)) {
      lines.push(`  ${itemLine(item, night)}`);
    }
    if (!isBrief && items.length > mostShown) lines.push(`  and ${items.length - mostShown} more`);
  }
  for (const trend of night.trends) {
    const [what, now, before] = trendWords(trend);
    lines.push(`trend: ${cellTitle(night, trend.cell)}: ${what} ${now}, usually ${before}`);
  }
  for (const lock of night.locks.slice(0, mostShown)) {
    lines.push(`new lock order: ${lockWords(lock, night)}`);
  }
  if (night.locks.length > mostShown) {
    lines.push(`new lock order: and ${night.locks.length - mostShown} more`);
  }
  for (const note of night.notes) lines.push(`note: ${note}`);
  const clean = night.cells.filter((cell) => cell.class === 'clean').length;
  const { kind, because } = night.verdict;
  return [
    ...lines.map(plain),
    ...(lines.length === 0 ? [] : ['']),
    `night    ${night.night}, ${counted(night.cells.length, 'cell')}, ${clean} clean`,
    `verdict  ${style.strong(kind)}${because === undefined ? '' : `: ${plain(because)}`}`,
    `folder   ${plain(dir)}`,
    '',
  ].join('\n');
}

function itemLine(item: NightItem, night: NightRecord): string {
  const what = [item.title, cellTitle(night, item.cell), ...itemDetails(item, night)];
  return what.filter((part) => part !== undefined && part !== '').join('; ');
}
