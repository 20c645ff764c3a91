import { cellName } from '../../night/cells.ts';
import type { NightCell, NightRecord } from '../../records/night.ts';
import { timeWords } from '../item-words.ts';
import { seconds } from '../run-words.ts';
import { type Content, html, type Markup } from './markup.ts';
import { type NightPageInput, nightLink } from './night-page-input.ts';
import { wordsOf } from './night-words.ts';

/**
 * The largest number of columns in the table of a night. A column is a kernel together with guests of one kind. A night with more
 * columns has only the table of all cells.
 */
const mostMachines = 12;

/**
 * Returns the whole night at a glance: a row for each workload, a column for each kernel with guests of one kind, and each result
 * as a word and a colour. Returns null without cells, and for more than 12 columns.
 */
export function matrixSection({ night }: NightPageInput): Content {
  const { cells } = night;
  const machines = [...new Set(cells.map(machineName))];
  const workloads = [...new Set(cells.map(({ workload }) => workload))];
  if (cells.length === 0 || machines.length > mostMachines) return null;
  const byPlace = new Map(cells.map((cell) => [`${cell.workload}\n${machineName(cell)}`, cell]));
  return html`<h2>The matrix</h2>
<div class="wide" tabindex="0"><table class="matrix">
<thead><tr><th scope="col">workload</th>${machines.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${workloads.map(
  (workload) => html`<tr><th scope="row" class="id">${workload}</th>${machines.map((machine) => {
    const cell = byPlace.get(`${workload}\n${machine}`);
    if (cell === undefined) return html`<td></td>`;
    const [words, tone] = resultWords(cell, night);
    return html`<td class="${tone}"><a href="#cell-${cell.id}">${words}</a></td>`;
  })}</tr>
`,
)}</tbody>
</table></div>
`;
}

/**
 * The words for the result of a cell, and their class in the stylesheet. `, blind` is added when a known splat leaves all trials of
 * the cell blind.
 */
function resultWords(
  { id, class: kind }: NightCell,
  night: NightRecord,
): readonly [string, string] {
  const [words, tone] = wordsOf(kind);
  const isBlind = kind === 'known' && night.known.some((item) => item.cell === id && item.blind);
  return [isBlind ? `${words}, blind` : words, tone];
}

/** The name of a cell without the workload. All cells of a column share this name. */
function machineName(cell: NightCell): string {
  return cellName({ ...cell, workload: '' }).trimEnd();
}

/** Returns the table of all cells, which can be filtered and sorted. Returns null without cells. */
export function cellTable(page: NightPageInput): Content {
  const { cells } = page.night;
  if (cells.length === 0) return null;
  return html`<h2>Cells</h2>
<div class="wide" tabindex="0"><table class="sortable">
<thead><tr><th scope="col">cell</th><th scope="col">result</th><th scope="col">splats</th><th scope="col" class="number">trials</th><th scope="col" class="number">time</th><th scope="col">kernel</th><th scope="col">nights before</th></tr></thead>
<tbody>
${cells.map((cell) => cellRow(cell, page))}</tbody>
</table></div>
${
  page.past === null
    ? null
    : html`<p class="faint">nights before, the newest last: <code>x</code> a splat or a broken kernel, <code>.</code> no splat, <code>?</code> nothing proved, <code>-</code> known or not there</p>
`
}`;
}

function cellRow(cell: NightCell, page: NightPageInput): Markup {
  const [words, tone] = resultWords(cell, page.night);
  const run = cell.trials[0]?.run;
  const splats = cell.splats.map(
    ({ title, hits, known }) =>
      html`<p${known ? html` class="faint"` : null}>${title}, ${hits} of ${cell.trials.length}${known ? ' (known)' : ''}</p>`,
  );
  const name = cellName(cell);
  return html`<tr id="cell-${cell.id}"><th scope="row" class="id">${run === undefined ? name : html`<a href="${nightLink(run, 'report.html')}">${name}</a>`}</th><td class="verdict ${tone}">${words}</td><td>${splats}${cell.because === undefined ? null : html`<p>${cell.because}</p>`}</td><td class="number">${cell.trials.length}</td><td class="number">${seconds(cell.durationMs)}</td><td class="word">${cell.release ?? cell.source ?? ''}</td><td class="word">${cellStrip(cell, page)}</td></tr>
`;
}

const letters: Readonly<Record<string, string>> = {
  splat: 'x',
  doubtful: '?',
  clean: '.',
  faint: '-',
};

function cellStrip({ id }: NightCell, { past }: NightPageInput): Content {
  const nights =
    past?.cells
      .find(({ cell }) => cell === id)
      ?.nights.slice(0, -1)
      .slice(-30) ?? [];
  if (nights.length === 0) return null;
  const clean = nights.filter((one) => one.class === 'clean').length;
  return html`<span class="strip" role="img" aria-label="${clean} of ${nights.length} nights clean">${nights.map(
    (one) => {
      const [words, tone] = wordsOf(one.class);
      return html`<span class="${tone}" title="${timeWords(one.night)}: ${words}">${letters[tone] ?? '-'}</span>`;
    },
  )}</span>`;
}
