import type { SeenSplat } from '../../records/finding.ts';
import type { LearnedDependency, LockNews } from '../../records/lock-order.ts';
import type { TrialResult } from '../../records/trial.ts';
import { isNotRun, type Verdict, verdictPhrase } from '../../verdict.ts';
import {
  counterWord,
  type GatheredSplat,
  type Silence,
  seconds,
  seenSplats,
  silencesOf,
  splatWords,
} from '../run-words.ts';
import { consoleLink } from './console-link.ts';
import { commandCode } from './facts.ts';
import { lockCycle } from './lock-cycle.ts';
import { type Content, html, type Markup } from './markup.ts';
import { formatPage } from './page.ts';
import { runHead } from './run-head.ts';
import type { RunPageInput } from './run-page-input.ts';
import { trialDetails } from './trial-details.ts';
import { missing, tone } from './words.ts';

/** Returns the page of a run, for a browser, with everything in result.json that a person needs. */
export function formatRunPage(page: RunPageInput): string {
  const { run } = page;
  const title = `${verdictPhrase(run.verdict)}: ${run.kernel?.release ?? page.name}`;
  return formatPage(title, [
    runHead(page),
    html`<main>
${[
  splatSection(page),
  knownSection(page),
  openSection(run.trials, 'Not proved'),
  openSection(run.trials, 'Not run'),
  trialTable(run.trials),
  lockSection(run.locks, page.locksSvg),
  run.trials.length === 0
    ? null
    : html`<h2>Trials in detail</h2>${run.trials.map((trial, at) => trialDetails(trial, at, page))}`,
]}</main>
`,
    pageFoot(page),
  ]);
}

function splatSection(page: RunPageInput): Content {
  const seen = seenSplats(page.run, ({ known }) => known !== true);
  const silent = silencesOf(page.run.trials);
  if (seen.length + silent.length === 0) return null;
  return html`<h2>Splats</h2>
${seen.map((one, at) => splatArticle(one, at, page))}${silent.map((one) => silenceArticle(one, page))}`;
}

function silenceArticle({ id, title }: Silence, { reproduce }: RunPageInput): Markup {
  return html`<article>
<h3 class="splat">${title}</h3>
<p>seen in ${id}; again: ${commandCode(reproduce(id))}</p>
</article>
`;
}

function splatArticle(
  { splat, where, trial }: GatheredSplat,
  at: number,
  page: RunPageInput,
): Markup {
  const link = consoleLink(page, trial, splat.line, `line ${splat.line} of its console`);
  return html`<article id="splat-${at}">
<h3 class="splat">${splat.title}</h3>
<p>seen in ${where.join(', ')}${link === null ? null : [': ', link]}; again: ${commandCode(page.reproduce(trial))}</p>
<p class="faint">signature <code>${splat.signature}</code></p>
${reportText(splat)}
</article>
`;
}

function knownSection({ run }: RunPageInput): Content {
  const seen = seenSplats(run, ({ known }) => known === true);
  return seen.length === 0
    ? null
    : html`<h2>Known splats</h2>
<p class="faint">They are in the baseline, or known of this kernel (docs/found.md), and decide nothing.</p>
${seen.map(
  ({ splat, where }) => html`<details>
<summary>${splat.title}, in ${where.join(', ')}</summary>
${reportText(splat)}
</details>
`,
)}`;
}

/** The report of a splat. A lost guest printed no report. */
function reportText(splat: SeenSplat): Content {
  const { text } = splat;
  return [
    lockCycle(splat),
    text.length === 0 ? null : html`<pre tabindex="0">${text.join('\n')}</pre>`,
  ];
}

/** A section about trials without a proof. `Not run` has the trials that could not run here, and `Not proved` has all others. */
function openSection(trials: readonly TrialResult[], heading: 'Not proved' | 'Not run'): Content {
  const open = trials.flatMap(({ id, verdict }, at) =>
    'because' in verdict && isNotRun(verdict) === (heading === 'Not run')
      ? [
          html`<li><a href="#trial-${at}">${id}</a>: ${isNotRun(verdict) ? '' : `${verdict.because}: `}${verdict.message}</li>`,
        ]
      : [],
  );
  return open.length === 0
    ? null
    : html`<h2>${heading}</h2>
<ul>${open}</ul>
`;
}

function trialTable(trials: readonly TrialResult[]): Content {
  if (trials.length === 0) return null;
  const rows = trials.map((trial, at) => {
    const { id, verdict, witnesses, timings } = trial;
    const words = Object.entries(witnesses).map(
      ([name, count], index) =>
        html`${index === 0 ? '' : ', '}${missing(count, html`${counterWord(name)} ${count}`)}`,
    );
    return html`<tr><th scope="row" class="id"><a href="#trial-${at}">${id}</a></th>${verdictCell(verdict)}<td class="word">${splatWords(trial)}</td><td>${isNotRun(verdict) ? null : words}</td><td class="number">${seconds(timings.totalMs)}</td></tr>
`;
  });
  return html`<h2>Trials</h2>
<div class="wide" tabindex="0"><table>
<thead><tr><th scope="col">trial</th><th scope="col">verdict</th><th scope="col">splats</th><th scope="col">witnesses</th><th scope="col" class="number">time</th></tr></thead>
<tbody>
${rows}</tbody>
</table></div>
`;
}

function verdictCell(verdict: Verdict): Markup {
  const words = isNotRun(verdict) ? 'not run' : verdictPhrase(verdict);
  return html`<td class="verdict ${tone(verdict)}">${words}</td>`;
}

/** The largest number of dependencies that are listed. A longer list is no news. */
const listedDependencies = 100;

function lockSection(locks: LockNews | null, svg: string | null): Content {
  const learned = locks?.learned ?? [];
  const unreported = locks?.unreported ?? [];
  if (learned.length + unreported.length === 0) return null;
  const more = learned.length - listedDependencies;
  const source = `data:image/svg+xml;base64,${Buffer.from(svg ?? '').toString('base64')}`;
  return html`<h2>New lock order</h2>
<ul>${learned.slice(0, listedDependencies).map(learnedItem)}${more > 0 ? html`<li>${more} more in result.json</li>` : null}${unreported.map(
    ({ cycle, trials }) =>
      html`<li>a cycle that lockdep cannot see, for a recursive reader (RCU, SRCU) is in it: <code>${closed(cycle)}</code>; in ${trials.join(', ')}</li>`,
  )}</ul>
${svg === null ? null : html`<img src="${source}" alt="The same as a graph">`}
`;
}

function learnedItem({ from, to, cycle, almost, trials }: LearnedDependency): Markup {
  const closes = cycle === undefined ? null : html`, in the cycle <code>${closed(cycle)}</code>`;
  const nearly =
    almost === undefined
      ? null
      : html`; <code>${almost.join(' → ')}</code>: a deadlock if <code>${almost[0] ?? ''}</code> is ever entered under <code>${to}</code>`;
  return html`<li><code>${from} → ${to}</code>${closes}${nearly}; in ${trials.join(', ')}</li>`;
}

function closed(cycle: readonly string[]): string {
  return [...cycle, ...cycle.slice(0, 1)].join(' → ');
}

function pageFoot({ run, beside }: RunPageInput): Markup {
  const config = run.kernel === null ? [] : ['kernel.config'];
  const files = ['result.json', 'results.tap', 'junit.xml', ...config, 'run.json'].map(
    (name) => html` <a href="${name}">${name}</a>`,
  );
  return html`<footer>seed ${run.seed}${beside ? html`;${files}` : null}</footer>`;
}
