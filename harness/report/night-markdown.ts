import { counted } from '../counted.ts';
import type { NightItem, NightRecord } from '../records/night.ts';
import { cellTitle, itemDetails, lockWords, nightLists, trendWords } from './night-words.ts';
import { plain } from './plain.ts';

/** The largest number of rows in a list, because nobody reads a longer mail or pull request. */
const mostRows = 50;

/** Returns the summary of a night in Markdown, for a mail, a pull request, or the summary of a CI job. */
export function formatNightMarkdown(night: NightRecord): string {
  const { kind, because } = night.verdict;
  const count = (one: string): number => night.cells.filter((cell) => cell.class === one).length;
  const lines = [
    `# Night ${night.night}: ${kind}${because === undefined ? '' : ` (${text(because)})`}`,
    '',
    `${counted(night.cells.length, 'cell')}, ${count('clean')} clean. Matrix ${text(night.matrix.file)}, splat ${night.harness.version}.`,
  ];
  for (const [list, title] of nightLists) {
    const items: readonly NightItem[] = night[list];
    if (items.length === 0) continue;
    lines.push('', `## ${title[0]?.toUpperCase()}${title.slice(1)}: ${items.length}`, '');
    lines.push('| what | cell | |', '|---|---|---|');
    for (const item of items.slice(0, mostRows)) {
      const details = itemDetails(item, night).map(text).join('; ');
      const what = text(item.title ?? list);
      lines.push(`| ${what} | ${text(cellTitle(night, item.cell))} | ${details} |`);
    }
    if (items.length > mostRows) lines.push('', `and ${items.length - mostRows} more`);
  }
  if (night.trends.length > 0) {
    lines.push(
      '',
      '## Unlike the nights before',
      '',
      '| cell | what | now | usually |',
      '|---|---|---|---|',
    );
    for (const trend of night.trends) {
      const row = [cellTitle(night, trend.cell), ...trendWords(trend)];
      lines.push(`| ${row.map(text).join(' | ')} |`);
    }
  }
  if (night.locks.length > 0) {
    lines.push('', `## New lock order: ${night.locks.length}`, '');
    for (const lock of night.locks.slice(0, mostRows)) {
      lines.push(`- ${text(lockWords(lock, night))}`);
    }
    if (night.locks.length > mostRows) {
      lines.push('', `and ${night.locks.length - mostRows} more`);
    }
  }
  if (night.notes.length > 0)
    lines.push('', '## Notes', '', ...night.notes.map((one) => `- ${text(one)}`));
  return `${lines.join('\n')}\n`;
}

/** Escapes untrusted text, so that Markdown shows the text unchanged. */
function text(value: string): string {
  return plain(value).replaceAll(/[\\`*_{}[\]<>#|~!&@]/g, (character) => `\\${character}`);
}
