import type { NightRow } from '../../records/night-row.ts';
import { timeWords } from '../item-words.ts';
import { drawChart } from './chart.ts';
import { type Content, html, type Markup } from './markup.ts';
import { nightLink } from './night-page-input.ts';
import { wakingClasses, wordsOf } from './night-words.ts';
import { formatPage } from './page.ts';
import { tableScript } from './table-script.ts';

/**
 * The number of nights on one page. Nights count from 0, the oldest first, and night N is on page N / 100 + 1. A new night
 * therefore changes only the last two pages.
 */
export const nightsPerPage = 100;

/** Returns the file name of a page. Pages count from 1. */
export function nightsPageName(page: number): string {
  return `nights-${page}.html`;
}

/**
 * Returns a page over several nights. `rows` are its nights, the newest first. `page` counts from 1. With `newest`, the page is the
 * last page and also index.html: it shows the verdict of the newest night, and links only to older pages.
 */
export function formatNightsPage(
  rows: readonly NightRow[],
  { page, newest }: { readonly page: number; readonly newest: boolean },
): string {
  const [last] = rows;
  const first = rows.at(-1);
  const range =
    last === undefined || first === undefined
      ? 'no night'
      : `${first.night.slice(0, 10)} to ${last.night.slice(0, 10)}`;
  return formatPage(
    `nights ${range}`,
    [
      html`<header class="${newest && last !== undefined ? toneOf(last) : 'plain'}">
<h1>${newest && last !== undefined ? html`<span>${last.verdict}</span>, ` : null}nights ${range}</h1>
${newest && last !== undefined ? html`<p>${nightName(last)}: ${last.because ?? 'nothing new'}</p>` : null}</header>
`,
      turning(page, newest),
      html`<main>
<div class="columns">${charts(rows.toReversed())}</div>
<div class="wide" tabindex="0"><table class="sortable">
<thead><tr><th scope="col">night</th><th scope="col">result</th>${wakingClasses.map((kind) => html`<th scope="col" class="number">${wordsOf(kind)[0]}</th>`)}<th scope="col" class="number">clean</th><th scope="col" class="number">cells</th><th scope="col" class="number">minutes</th></tr></thead>
<tbody>
${rows.map(nightRow)}</tbody>
</table></div>
</main>
`,
    ],
    tableScript,
  );
}

function nightName({ night, folder, kept }: NightRow): Content {
  const words = html`<span class="time">${timeWords(night)}</span>`;
  return kept ? html`<a href="${nightLink(folder, 'night.html')}">${words}</a>` : words;
}

function nightRow(row: NightRow): Markup {
  const { verdict, because, classes, cells, news = [] } = row;
  const count = (kind: string): number => classes[kind] ?? 0;
  const counted = (kind: string): Markup =>
    count(kind) === 0
      ? html`<span class="none">0</span>`
      : html`<b class="splat">${count(kind)}</b>`;
  return html`<tr><th scope="row">${nightName(row)}</th><td><b class="${toneOf(row)}">${verdict}</b>${because === undefined ? null : html`<br>${because}`}${news.map((title) => html`<p class="faint">${title}</p>`)}</td>${wakingClasses.map((kind) => html`<td class="number">${counted(kind)}</td>`)}<td class="number">${count('clean')}</td><td class="number">${cells}</td><td class="number">${Math.round(minutesOf(row))}</td></tr>
`;
}

function toneOf({ exitCode }: NightRow): string {
  return exitCode === 0 ? 'clean' : exitCode === 1 ? 'splat' : 'doubtful';
}

function minutesOf({ night, endedAt }: NightRow): number {
  return (Date.parse(endedAt) - Date.parse(night)) / 60_000;
}

/** Charts over the nights of this page, the oldest first. */
function charts(rows: readonly NightRow[]): Content {
  const pointsOf = (valueOf: (row: NightRow) => number) =>
    rows.map((row) => ({ night: row.night, value: valueOf(row) }));
  return [
    drawChart({
      name: 'cells that wake somebody',
      words: String,
      points: pointsOf(({ classes }) =>
        wakingClasses.reduce((sum, kind) => sum + (classes[kind] ?? 0), 0),
      ),
    }),
    drawChart({
      name: 'duration',
      words: (value) => `${Math.round(value)} min`,
      points: pointsOf(minutesOf),
    }),
  ];
}

function turning(page: number, newest: boolean): Content {
  const older = page > 1 ? html` <a href="${nightsPageName(page - 1)}">older</a>` : null;
  const oldest = page > 2 ? html` <a href="${nightsPageName(1)}">oldest</a>` : null;
  // A page is written without `newest` only when the next page has begun, so the next page exists.
  const newer = newest
    ? null
    : html` <a href="${nightsPageName(page + 1)}">newer</a> <a href="index.html">newest</a>`;
  return older === null && newer === null
    ? null
    : html`<nav aria-label="Pages">${oldest}${older}${newer}</nav>
`;
}
