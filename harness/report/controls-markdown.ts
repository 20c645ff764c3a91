import type { Cell, ControlsResult } from '../records/controls.ts';
import { plain } from './plain.ts';

/**
 * Returns the detection matrix as a GitHub markdown table: one line for each broken rule, one column for each kernel and state of
 * its annotations.
 */
export function tabulateControls({
  columns,
  rows,
}: Pick<ControlsResult, 'columns' | 'rows'>): string {
  const heads = columns.map(({ kernel, annotations }) => `${escapeCell(kernel)} ${annotations}`);
  const lines = rows.map(({ id, name, cells }) => {
    const results = columns.map(({ kernel, annotations }) =>
      cellWords(cells.filter((cell) => cell.kernel === kernel && cell.annotations === annotations)),
    );
    return [String(id), escapeCell(name), ...results];
  });
  return [['#', 'broken rule', ...heads], ['---', '---', ...heads.map(() => '---')], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

/**
 * The common result of all ways and triggers of a rule. When the results differ, the number of results that are `caught`. `(!)`
 * follows when a result is not as expected.
 */
function cellWords(cells: readonly Cell[]): string {
  const [first] = cells;
  if (first === undefined) return '';
  const mark = cells.every(({ asExpected }) => asExpected) ? '' : ' (!)';
  const caught = cells.filter(({ result }) => result === 'caught').length;
  const isOne = cells.every(({ result }) => result === first.result);
  return `${isOne ? first.result : `${caught} of ${cells.length} caught`}${mark}`;
}

function escapeCell(text: string): string {
  return plain(text).replaceAll(/[|\\<>&`]/g, (char) => `&#${char.codePointAt(0)};`);
}
