import type { CellClass, NightItem, NightRecord } from '../../records/night.ts';
import {
  blindWords,
  confirmationWords,
  followsWords,
  knownWords,
  rateWords,
  sinceWords,
  timeWords,
} from '../item-words.ts';
import { bisectionText, cellTitle } from '../night-words.ts';
import { percent } from '../series-words.ts';
import { drawChart } from './chart.ts';
import { commandCode, type Fact, facts, headline, sourceOf } from './facts.ts';
import { lockCycle } from './lock-cycle.ts';
import { type Content, html, type Markup } from './markup.ts';
import {
  type NightPageInput,
  type NightReport,
  nightLink,
  pastOfIssue,
  reportKey,
} from './night-page-input.ts';
import { wordsOf } from './night-words.ts';

/**
 * Returns the facts about an item of a list for the top of a night's page: what was seen, where, since when, and how to see
 * it again.
 */
export function itemAnswers(
  item: NightItem,
  list: CellClass,
  anchor: string,
  page: NightPageInput,
): readonly Fact[] {
  const report = page.reports.get(reportKey(item));
  const [first] = report?.splat.text ?? [];
  const since = sinceWords(item, page.night);
  return [
    [
      'what',
      html`${wordsOf(list)[0]}: <a href="#${anchor}"><b class="splat">${titleOf(item)}</b></a>`,
    ],
    ...(first === undefined ? [] : [['', html`<code>${headline(first)}</code>`] as const]),
    ['where', whereOf(item, report, page)],
    ...(since === '' ? [] : [['since', since] as const]),
    ['again', commandCode(commandOf(item, report, page))],
  ];
}

/** Returns all facts that a night has about one item. */
export function itemArticle(
  item: NightItem,
  anchor: string,
  tone: string,
  page: NightPageInput,
): Markup {
  const report = page.reports.get(reportKey(item));
  return html`<article id="${anchor}">
<h3 class="${tone}">${titleOf(item)}</h3>
${facts(itemFacts(item, report, page))}${strip(item, page)}${charts(item, page)}${report === undefined ? null : reportOf(report)}</article>
`;
}

/** The title of an item of a night's list. An item that is about a whole cell has no title; its reason is shown instead. */
function titleOf({ title, because }: NightItem): string {
  return title ?? because ?? 'no result';
}

function itemFacts(
  item: NightItem,
  report: NightReport | undefined,
  page: NightPageInput,
): readonly Fact[] {
  const rate = rateWords(item);
  const since = sinceWords(item, page.night);
  const { because, sure, log, signature = '' } = item;
  const rows: readonly (Fact | false)[] = [
    ['where', whereOf(item, report, page)],
    rate !== null && ['rate', rate],
    since !== '' && ['since', since],
    item.lastSeen !== undefined &&
      item.lastSeen !== page.night.night && [
        item.title === undefined ? 'last run' : 'last seen',
        timeWords(item.lastSeen),
      ],
    sure !== undefined && ['sure', percent(sure)],
    because !== undefined && item.title !== undefined && ['because', because],
    ...followUps(item, page.night),
    log !== undefined && ['log', html`<a href="${nightLink(log)}">${log}</a>`],
    signature !== '' && ['signature', html`<code>${signature}</code>`],
    ['again', commandCode(commandOf(item, report, page))],
  ];
  return rows.filter((row) => row !== false);
}

/** The follow-ups of an item: trials that tested the splat again, a bisection, an entry in the file of known issues. */
function followUps(item: NightItem, night: NightRecord): readonly Fact[] {
  const { confirmation, bisection, blind, reason, follows } = item;
  const rows: readonly (Fact | false)[] = [
    follows !== undefined && ['cause', followsWords(item, night)],
    confirmation !== undefined && ['tried again', confirmationWords(confirmation)],
    bisection !== undefined && ['bisection', bisectionText(bisection)],
    reason !== undefined && ['known', knownWords(item)],
    blind === true && ['blind', blindWords],
  ];
  return rows.filter((row) => row !== false);
}

function whereOf(item: NightItem, report: NightReport | undefined, page: NightPageInput): Content {
  const splat = report?.splat;
  const source = splat === undefined ? undefined : sourceOf(splat.frame, splat.text);
  return [
    source === undefined ? null : html`<code>${source}</code>, in `,
    html`<a href="#cell-${item.cell}">${cellTitle(page.night, item.cell)}</a>`,
    report === undefined || report.console === null
      ? null
      : html`: <a href="${report.console}">line ${report.splat.line} of its console</a>`,
    item.run === undefined
      ? null
      : html`, <a href="${nightLink(item.run, 'report.html')}">its run</a>`,
  ];
}

function commandOf(item: NightItem, report: NightReport | undefined, page: NightPageInput): string {
  if (report !== undefined) return page.reproduce(report.run, report.trial);
  return item.run === undefined ? page.cellCommand(item.cell) : page.reproduce(item.run, '');
}

/** The decoded report, the cycle of its locks, and the picture of the screen. */
function reportOf({ splat, picture, trial }: NightReport): Content {
  return [
    lockCycle(splat),
    splat.text.length === 0
      ? null
      : html`<pre tabindex="0">${splat.text.join('\n')}</pre>
`,
    picture === null
      ? null
      : html`<p><img src="data:image/png;base64,${Buffer.from(picture).toString('base64')}" alt="The virtual screen of ${trial}"></p>
`,
  ];
}

/**
 * A line with one letter for each of the last 60 nights. `x`: the night saw the splat. `.`: the night did not see the splat. `?`:
 * the cell had no trial. Null when there are fewer than two nights.
 */
function strip(item: NightItem, page: NightPageInput): Content {
  const past = pastOfIssue(page, item);
  if (past === undefined || past.nights.length < 2) return null;
  const shown = past.nights.slice(-60);
  const seen = shown.filter(({ hits }) => hits > 0).length;
  const cells = shown.map(({ night, hits, trials }) => {
    const [letter, tone] = hits > 0 ? ['x', 'splat'] : trials > 0 ? ['.', 'clean'] : ['?', 'faint'];
    return html`<span class="${tone}" title="${timeWords(night)}: ${hits} of ${trials}">${letter}</span>`;
  });
  return html`<p>seen in ${seen} of ${shown.length} nights, the newest last: <span class="strip" role="img" aria-label="seen in ${seen} of ${shown.length} nights">${cells}</span></p>
`;
}

function charts(item: NightItem, page: NightPageInput): Content {
  const issue = pastOfIssue(page, item)?.nights ?? [];
  const cell = page.past?.cells.find((one) => one.cell === item.cell)?.nights ?? [];
  if (issue.length < 2) return null;
  const drawn = [
    drawChart({
      name: 'rate',
      top: 1,
      words: percent,
      points: issue.map(({ night, hits, trials }) => ({
        night,
        value: trials === 0 ? null : hits / trials,
      })),
    }),
    drawChart({
      name: 'time to detect',
      words: secondsOf,
      points: cell.map(({ night, firstSplatMs }) => ({ night, value: firstSplatMs })),
    }),
    drawChart({
      name: 'duration of a trial',
      words: secondsOf,
      points: cell.map(({ night, totalMs, trials }) => ({
        night,
        value: trials === 0 ? null : totalMs / trials,
      })),
    }),
  ];
  return html`<div class="columns">${drawn}</div>
`;
}

function secondsOf(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
