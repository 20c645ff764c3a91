import type { ReportedFunction, ReportedPatch, SeriesReport } from '../../records/series.ts';
import { percent, previousLines, shareWords, suspectWords } from '../series-words.ts';
import { type Content, html, type Markup } from './markup.ts';
import { formatPage } from './page.ts';
import { type SeriesPageInput, seenLink, seriesHead, splatId, tones } from './series-head.ts';

/** Returns the page of a series, for a browser. */
export function formatSeriesPage(report: SeriesReport, page: SeriesPageInput): string {
  const { verdict, series, patches } = report;
  const title = `${verdict.kind}: ${series.cover?.subject ?? series.name}`;
  return formatPage(title, [
    seriesHead(report, page),
    html`<main>
${[
  baseSection(report),
  patchTable(patches),
  previousSection(report),
  splatSection(patches, page),
  coverageSection(report),
  boundSection(report),
  suiteSection(report),
  passedOverSection(report),
]}</main>
`,
    html`<footer><a href="series.json">series.json</a> <a href="results.tap">results.tap</a> <a href="junit.xml">junit.xml</a> <a href="kcidb.json">kcidb.json</a></footer>`,
  ]);
}

/** The differences from the earlier version of the series. */
function previousSection(report: SeriesReport): Content {
  const lines = previousLines(report);
  return lines.length === 0
    ? null
    : html`<h2>Since the version before</h2>
<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>
`;
}

/** The parts of the input that were not tested. */
function passedOverSection({ series }: SeriesReport): Content {
  return series.passedOver.length === 0
    ? null
    : html`<h2>Not tested</h2>
<ul>${series.passedOver.map(({ subject, file, why }) => html`<li>${subject || file || ''}: <span class="faint">${why}</span></li>`)}</ul>
`;
}

/** The faults of the base, which no patch of the series causes. */
function baseSection({ base }: SeriesReport): Content {
  const lines = [
    ...(base.because === undefined ? [] : [html`<li>${base.because}</li>`]),
    ...base.unproved.map((text) => html`<li>it does not show ${text}</li>`),
    ...base.splats.map(
      (splat) =>
        html`<li>it ${splat.perhaps === true ? 'perhaps has' : 'has'} already: ${suspectWords(splat)}</li>`,
    ),
  ];
  return lines.length === 0
    ? null
    : html`<h2>The base</h2>
<ul>${lines}</ul>
`;
}

function patchTable(patches: readonly ReportedPatch[]): Markup {
  const rows = patches.map((patch) => {
    const { index, subject, author, verdict, because, splats, locks, warnings } = patch;
    return html`<tr><td class="number">${index}</td><td class="verdict ${tones[verdict]}">${verdict}</td><td>${subject}${author === null ? null : html`<br><span class="faint">${author}</span>`}</td><td>${[
      ...splats.map(
        (splat, at) => html`<p><a href="#${splatId(patch, at)}">${suspectWords(splat)}</a></p>`,
      ),
      ...(because === undefined ? [] : [html`<p>${because}</p>`]),
      ...locks.map(
        ({ from, to }) => html`<p class="faint">new lock order: <code>${from} → ${to}</code></p>`,
      ),
      ...warnings.map(({ place, text }) => html`<p>new warning: ${place}: ${text}</p>`),
    ]}</td></tr>
`;
  });
  return html`<h2>Patches</h2>
<div class="wide" tabindex="0"><table>
<thead><tr><th scope="col" class="number">patch</th><th scope="col">verdict</th><th scope="col">subject</th><th scope="col">why</th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
`;
}

/** The splats that appeared and the splats that disappeared. A report that is on the page already is not repeated. */
function splatSection(patches: readonly ReportedPatch[], page: SeriesPageInput): Content {
  const printed = new Set<string>();
  const articles = patches.flatMap((patch) =>
    patch.splats.map((splat, at) => {
      const { index, verdict } = patch;
      const { title, signature, report } = splat;
      const isNew = report.length > 0 && !printed.has(signature);
      printed.add(signature);
      const link = seenLink(splat, page);
      return html`<article id="${splatId(patch, at)}">
<h3 class="${tones[verdict]}">${title}</h3>
<p>patch ${index} ${verdict} it: ${shareWords(splat)}${link === null ? null : ['; ', link]}</p>
<p class="faint">signature <code>${signature}</code></p>
${isNew ? html`<pre tabindex="0">${report.join('\n')}</pre>` : null}
</article>
`;
    }),
  );
  return articles.length === 0
    ? null
    : html`<h2>Splats</h2>
${articles}`;
}

const states: Readonly<Record<ReportedFunction['state'], readonly [words: string, tone: string]>> =
  {
    ran: ['ran', 'clean'],
    'not-run': ['never ran', 'doubtful'],
    untraceable: ['cannot be traced', 'faint'],
  };

function coverageSection({ coverage }: SeriesReport): Content {
  if (coverage.length === 0) return null;
  const rows = coverage.map(({ name, file, state, through, calls }) => {
    const [words, tone] = states[state];
    const counts = Object.entries(calls).map(([workload, count]) => `${workload} ${count}`);
    return html`<tr><th scope="row" class="id">${name}</th><td>${file}</td><td class="${tone}">${words}</td><td>${through === undefined ? '' : `in ${through}: `}${counts.join(', ')}</td></tr>
`;
  });
  return html`<h2>Functions it changes</h2>
<div class="wide" tabindex="0"><table>
<thead><tr><th scope="col">function</th><th scope="col">file</th><th scope="col">state</th><th scope="col">calls in all trials</th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
`;
}

/** For each workload: the rate above which a splat would have been seen. */
function boundSection({ workloads }: SeriesReport): Content {
  if (workloads.length === 0) return null;
  const rows = workloads.map(
    ({ name, heard, seenAbove, curedSeenAbove }) =>
      html`<tr><th scope="row" class="id">${name}</th><td class="number">${heard}</td><td class="number">${seenAbove === null ? '-' : percent(seenAbove)}</td><td class="number">${curedSeenAbove === null ? '-' : percent(curedSeenAbove)}</td></tr>
`,
  );
  return html`<h2>How rare a splat may be and still be seen</h2>
<p class="faint">One that fires in more than this share of trials would have been seen with a chance of 95 %.</p>
<div class="wide" tabindex="0"><table>
<thead><tr><th scope="col">workload</th><th scope="col" class="number">trials of the whole series</th><th scope="col" class="number">one that stays</th><th scope="col" class="number">one that a later patch cures</th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
`;
}

function suiteSection({ suites }: SeriesReport): Content {
  return suites.length === 0
    ? null
    : html`<h2>Tests of the tree near the change</h2>
<p class="faint">Not run here; typed in the tree's top folder.</p>
<ul>${suites.map(({ kind, command }) => html`<li>${kind}: <code>${command}</code></li>`)}</ul>
`;
}
