import type { CellClass, NightItem, NightRecord } from '../../records/night.ts';
import { blindWords, knownWords, rateWords, timeWords } from '../item-words.ts';
import { cellTitle, cycleWords, lockDetails, trendWords } from '../night-words.ts';
import { facts } from './facts.ts';
import { type Content, html, type Markup } from './markup.ts';
import { itemAnswers, itemArticle } from './night-item.ts';
import { cellTable, matrixSection } from './night-matrix.ts';
import type { NightPageInput } from './night-page-input.ts';
import { cellClassOrder, wordsOf } from './night-words.ts';
import { formatPage } from './page.ts';
import { tableScript } from './table-script.ts';

/** The lists of a night whose items are shown one by one. The first four make a night fail. */
const newsLists = [
  'new',
  'back',
  'broken',
  'disappeared',
  'rateChanged',
  'infrastructure',
  'inconclusive',
  'gone',
  'repaired',
] as const satisfies readonly CellClass[];

/** The number of leading lists of `newsLists` that come before everything else on the page. */
const wakingLists = 4;

/** The lists of a night that are shown as a table. */
const quietLists = ['known', 'notRun', 'notThere', 'dropped'] as const;

/**
 * The largest number of items that are shown in full. A night that breaks more usually has one cause, and the page must not grow
 * too long.
 */
const mostArticles = 40;
const mostAnswers = 3;

/** Returns the page of a night, for a browser. The page is complete without its script, which filters and sorts the tables. */
export function formatNightPage(page: NightPageInput): string {
  const { night } = page;
  return formatPage(
    `${night.verdict.kind}: night ${timeWords(night.night)}`,
    [
      nightHead(page),
      html`<main>
${newsLists.slice(0, wakingLists).map((list) => newsSection(list, page))}${matrixSection(page)}${newsLists.slice(wakingLists).map((list) => newsSection(list, page))}${cellTable(page)}${quietLists.map((list) => quietSection(list, page))}${trendSection(page)}${lockSection(page)}${noteSection(page)}</main>
<footer><a href="night.json">night.json</a> <a href="results.tap">results.tap</a> <a href="junit.xml">junit.xml</a> <a href="summary.md">summary.md</a></footer>`,
    ],
    tableScript,
  );
}

function nightHead(page: NightPageInput): Markup {
  const { night } = page;
  const { verdict, exitCode, matrix, harness, cells, before } = night;
  const waking = newsLists
    .slice(0, wakingLists)
    .flatMap((list) => night[list].map((item, at) => ({ item, list, anchor: `${list}-${at}` })));
  const more = waking.length - mostAnswers;
  const counts = cellClassOrder.flatMap((kind) => {
    const count = cells.filter((cell) => cell.class === kind).length;
    return count === 0 ? [] : [`${count} ${wordsOf(kind)[0]}`];
  });
  const tone = exitCode === 0 ? 'clean' : exitCode === 1 ? 'splat' : 'doubtful';
  return html`<header class="${tone}">
<h1><span>${verdict.kind}</span>, night <span class="time">${timeWords(night.night)}</span></h1>
<p>${verdict.because ?? 'nothing new'}</p>
${waking.slice(0, mostAnswers).map(({ item, list, anchor }) => facts(itemAnswers(item, list, anchor, page)))}${more > 0 ? html`<p><a href="#${waking[mostAnswers]?.anchor ?? ''}">${more} more below</a></p>` : null}${facts(
  [
    ['cells', `${cells.length}: ${counts.join(', ')}`],
    ['matrix', matrix.file],
    ['ended', timeWords(night.endedAt)],
    ['before', before === null ? 'this is the first night' : timeWords(before)],
    ['splat', harness.version],
    ...(page.index === null
      ? []
      : [['nights', html`<a href="${page.index}">all nights</a>`] as const]),
  ],
)}</header>
`;
}

function newsSection(list: (typeof newsLists)[number], page: NightPageInput): Content {
  const items: readonly NightItem[] = page.night[list];
  if (items.length === 0) return null;
  const [words, tone] = wordsOf(list);
  const more = items.length - mostArticles;
  return html`<h2>${capital(words)}: ${items.length}</h2>
${items.slice(0, mostArticles).map((item, at) => itemArticle(item, `${list}-${at}`, tone, page))}${more > 0 ? html`<p>${more} more in night.json</p>` : null}`;
}

function quietSection(list: (typeof quietLists)[number], { night }: NightPageInput): Content {
  const items: readonly NightItem[] = night[list];
  if (items.length === 0) return null;
  const words = list === 'dropped' ? 'dropped' : wordsOf(list)[0];
  return html`<details>
<summary>${capital(words)}: ${items.length}</summary>
<div class="wide" tabindex="0"><table class="sortable">
<thead><tr><th scope="col">cell</th><th scope="col">what</th><th scope="col">rate</th><th scope="col">why</th></tr></thead>
<tbody>
${items.map(
  (item) =>
    html`<tr><th scope="row" class="id">${cellLink(item.cell, night)}</th><td>${item.title ?? ''}</td><td class="word">${rateWords(item)}</td><td>${[item.blind === true ? blindWords : '', item.because, knownWords(item)].filter(Boolean).join('; ')}</td></tr>
`,
)}</tbody>
</table></div>
</details>
`;
}

function trendSection({ night }: NightPageInput): Content {
  return night.trends.length === 0
    ? null
    : html`<h2>Unlike the nights before</h2>
<div class="wide" tabindex="0"><table class="sortable">
<thead><tr><th scope="col">cell</th><th scope="col">what</th><th scope="col" class="number">this night</th><th scope="col" class="number">usually</th><th scope="col" class="number">nights</th></tr></thead>
<tbody>
${night.trends.map((trend) => {
  const [what, now, before] = trendWords(trend);
  return html`<tr><th scope="row" class="id">${cellLink(trend.cell, night)}</th><td>${what}</td><td class="number">${now}</td><td class="number">${before}</td><td class="number">${trend.nights}</td></tr>
`;
})}</tbody>
</table></div>
`;
}

function lockSection({ night }: NightPageInput): Content {
  return night.locks.length === 0
    ? null
    : html`<h2>New lock order</h2>
<ul>${night.locks.map((lock) => html`<li><code>${lock.from} → ${lock.to}</code>; in ${cellLink(lock.cell, night)}${[cycleWords(lock), ...lockDetails(lock, night)].filter((part) => part !== '').map((part) => `; ${part}`)}</li>`)}</ul>
`;
}

/** A link to the row of a cell, or the cell's id when the night does not have the cell. */
function cellLink(id: string, night: NightRecord): Content {
  const title = cellTitle(night, id);
  return title === id ? id : html`<a href="#cell-${id}">${title}</a>`;
}

function noteSection({ night }: NightPageInput): Content {
  return night.notes.length === 0
    ? null
    : html`<h2>Notes</h2>
<ul>${night.notes.map((note) => html`<li>${note}</li>`)}</ul>
`;
}

function capital(words: string): string {
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}
