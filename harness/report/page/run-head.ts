import type { SeenSplat } from '../../records/finding.ts';
import { isNotRun, verdictPhrase } from '../../verdict.ts';
import { timeWords } from '../item-words.ts';
import {
  type GatheredSplat,
  type Silence,
  seconds,
  seenSplats,
  silencesOf,
  verdictReason,
} from '../run-words.ts';
import { consoleLink } from './console-link.ts';
import { commandCode, type Fact, facts, headline, sourceOf } from './facts.ts';
import { html, type Markup } from './markup.ts';
import type { RunPageInput } from './run-page-input.ts';
import { tone } from './words.ts';

/** The number of splats on the first screen. Further splats are just below. */
const toldSplats = 3;

/**
 * Returns the top of the page of a run: the splats that were seen, where, since when, and how to see them again; then what was run.
 */
export function runHead(page: RunPageInput): Markup {
  const { run } = page;
  const { verdict } = run;
  const log =
    verdict.kind === 'untestable' && verdict.output !== undefined
      ? html`<pre tabindex="0">${verdict.output}</pre>`
      : null;
  const seen = seenSplats(run, ({ known }) => known !== true);
  const told = [
    ...seen.map((one, at) => splatFacts(one, at, page)),
    ...silencesOf(run.trials).map((one) => silenceFacts(one, page)),
  ];
  const more = told.length - toldSplats;
  return html`<header class="${tone(verdict)}">
<h1><span>${verdictPhrase(verdict)}</span></h1>
<p>${verdictReason(run)}</p>${log}
${told.slice(0, toldSplats).map(facts)}${more > 0 ? html`<p>${more} more below</p>` : null}${facts(runFacts(page))}</header>
`;
}

function splatFacts(
  { splat, where, trial }: GatheredSplat,
  at: number,
  page: RunPageInput,
): readonly Fact[] {
  const link = consoleLink(page, trial, splat.line, `line ${splat.line} of its console`);
  const [first] = splat.text;
  const place = sourceOf(splat.frame, splat.text);
  return [
    ['what', html`<a href="#splat-${at}"><b class="splat">${splat.title}</b></a>`],
    ...(first === undefined ? [] : [['', html`<code>${headline(first)}</code>`] as const]),
    [
      'where',
      [
        place === undefined ? null : html`<code>${place}</code>, in `,
        where.join(', '),
        link === null ? null : [': ', link],
      ],
    ],
    ['since', since(page, splat.signature)],
    ...rateRows(splat, page),
    [trial === '' ? 'again' : 'this trial again', commandCode(page.reproduce(trial))],
  ];
}

/**
 * A row with the share of trials that showed the splat, among all trials of the workloads in which it showed. Returns no row when
 * there was only one such trial.
 */
function rateRows({ title, signature }: SeenSplat, { run }: RunPageInput): readonly Fact[] {
  const ran = run.trials.filter(
    ({ canary, verdict }) => canary === undefined && !isNotRun(verdict),
  );
  const showed = ran.filter(({ splats }) =>
    splats.some((one) => one.title === title && one.signature === signature),
  );
  const workloads = new Set(showed.map(({ workload }) => workload));
  const trials = ran.filter(({ workload }) => workloads.has(workload)).length;
  return trials < 2 ? [] : [['rate', `${showed.length} of ${trials} trials`]];
}

function silenceFacts({ id, title }: Silence, page: RunPageInput): readonly Fact[] {
  return [
    ['what', html`<b class="splat">${title}</b>`],
    ['where', id],
    ['since', since(page, '')],
    ['this trial again', commandCode(page.reproduce(id))],
  ];
}

/** The words about how long a splat has existed. A single run knows only its baseline and the records of nights. */
function since({ run, series, seen }: RunPageInput, signature: string): string {
  const patched = series.length === 0 ? '' : `; with ${series.join(', ')}`;
  const before = seen.get(signature);
  const nights =
    before === undefined
      ? ''
      : `; nights saw it from ${timeWords(before.firstSeen)} to ${timeWords(before.lastSeen)}, first in ${before.cell}`;
  if (run.baseline?.trusted === true) {
    return `not in the baseline ${run.baseline.run}${patched}${nights}`;
  }
  if (nights !== '') return `${nights.slice(2)}${patched}`;
  const next = series.length === 0 ? 'bisect finds the commit' : 'series finds the patch';
  return `not known: this run had no baseline to compare with; splat ${next}${patched}`;
}

function runFacts({
  run,
  name,
  startedAt,
  command,
  cwd,
  reproduce,
}: RunPageInput): readonly Fact[] {
  const { kernel, accel, accelReason } = run;
  return [
    ...(kernel === null
      ? []
      : ([
          ['kernel', `${kernel.release} from ${kernel.source}`],
          ['compiler', kernel.compiler],
        ] as const)),
    ...(accel === null ? [] : [['guest', `${accel}: ${accelReason ?? ''}`] as const]),
    ['run', `${name}, ${timeWords(startedAt)}, ${seconds(run.timings.totalMs)}`],
    ...(command === null
      ? []
      : [['command', [commandCode(command), html`, in <code>${cwd}</code>`]] as const]),
    ['whole run again', commandCode(reproduce(''))],
  ];
}
