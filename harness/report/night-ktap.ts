import type { NightCell, NightRecord } from '../records/night.ts';
import { cellTitle } from './night-words.ts';
import { plain } from './plain.ts';

/**
 * Returns a night as KTAP version 1, with one test for each cell (one combination of kernel, guest and workload). A cell of the
 * class `new`, `back`, `broken`, `disappeared` (the cell has no result), `infrastructure` (the host or the harness failed) or
 * `inconclusive` (the trials prove nothing) is not ok. A cell of the class `notThere` (the workload cannot run on this kernel) or
 * `notRun` (the budget left no time) is a skip. A cell of any other class is ok.
 */
export function formatNightKtap(night: NightRecord): string {
  const lines = night.cells.map((cell, index) => cellLine(cell, index + 1, night));
  return ['KTAP version 1', `1..${lines.length}`, ...lines, ''].join('\n');
}

function cellLine(cell: NightCell, number: number, night: NightRecord): string {
  const test = `${number} ${comment(cellTitle(night, cell.id))}`;
  const { class: kind, because = '', splats } = cell;
  if (kind === 'clean') return `ok ${test}`;
  if (passing.includes(kind)) return `ok ${test} # ${kind}`;
  if (skipped.includes(kind)) return `ok ${test} # SKIP ${kind}: ${comment(because)}`;
  const titles = splats.flatMap(({ known, title }) => (known ? [] : [title]));
  return `not ok ${test} # ${kind}: ${comment(titles.length > 0 ? titles.join('; ') : because)}`;
}

const passing: readonly NightCell['class'][] = ['known', 'gone', 'repaired', 'rateChanged'];
const skipped: readonly NightCell['class'][] = ['notRun', 'notThere'];

/** Untrusted text for a line, without `#`: a second `#` would begin a directive. */
function comment(text: string): string {
  return plain(text).replaceAll('#', '.');
}
