import { counted } from '../../counted.ts';
import type { ReportedPatch, ReportedSuspect, SeriesReport } from '../../records/series.ts';
import type { PatchVerdict } from '../../verdict.ts';
import { timeWords } from '../item-words.ts';
import { percent } from '../series-words.ts';
import { folderLink } from './console-link.ts';
import { consolePlace } from './console-page.ts';
import { commandCode, type Fact, facts, headline, sourceOf } from './facts.ts';
import { html, type Markup } from './markup.ts';

/** The facts from which the page of a series is made, besides the series' report. */
export interface SeriesPageInput {
  /** The command that repeats the series. */
  readonly command: string;
  /** The start of the test: ISO 8601, UTC. */
  readonly startedAt: string;
  /**
   * Returns the place of a splat on the console of the trial that showed the splat. Returns undefined when no console of such a
   * trial was kept.
   */
  readonly placeOf: PlaceOf;
}

export type PlaceOf = (splat: SeenSuspect) => SplatPlace | undefined;

/** A placeOf() for a series whose consoles were not kept. Always returns undefined. */
export function nowhere(): undefined {
  return undefined;
}

export type SeenSuspect = Pick<ReportedSuspect, 'seenIn' | 'signature' | 'title'>;

/** The line of a trial's console at which a splat begins. */
export interface SplatPlace {
  /** The trial's folder below `trials`. */
  readonly folder: string;
  readonly line: number;
  /** The number of lines of the whole console. */
  readonly lines: number;
}

/** The stylesheet's class for each verdict of a patch. */
export const tones: Readonly<Record<PatchVerdict, string>> = {
  untestable: 'splat',
  inconclusive: 'doubtful',
  introduces: 'splat',
  exposes: 'splat',
  fixes: 'clean',
  unaffected: 'clean',
};

/** The number of splats on the first screen. Further splats are just below. */
const toldSplats = 3;

/**
 * Returns the top of the page of a series: the splats that appeared, where, since which patch, and how to see them again; then what
 * was tested.
 */
export function seriesHead(report: SeriesReport, page: SeriesPageInput): Markup {
  const { verdict, exitCode, patches, series } = report;
  const guilty = patches.filter((patch) => tones[patch.verdict] === 'splat');
  const told = guilty.flatMap((patch) =>
    patch.splats.map((splat, at) => splatFacts(splat, at, patch, page)),
  );
  const more = told.length - toldSplats;
  return html`<header class="${exitCode === 0 ? 'clean' : exitCode === 1 ? 'splat' : 'doubtful'}">
<h1><span>${verdict.kind}</span></h1>
<p>${verdict.because ?? ''}</p>
${told.slice(0, toldSplats).map(facts)}${more > 0 ? html`<p>${more} more below</p>` : null}${facts(seriesFacts(report, page))}${series.notes.map((note) => html`<p class="faint">${note}</p>`)}</header>
`;
}

function splatFacts(
  splat: ReportedSuspect,
  at: number,
  patch: ReportedPatch,
  page: SeriesPageInput,
): readonly Fact[] {
  const [first] = splat.report;
  const place = sourceOf(/ in (\S+)$/.exec(splat.title)?.[1] ?? '', splat.report);
  const link = seenLink(splat, page);
  return [
    ['what', html`<a href="#${splatId(patch, at)}"><b class="splat">${splat.title}</b></a>`],
    ...(first === undefined ? [] : [['', html`<code>${headline(first)}</code>`] as const]),
    [
      'where',
      [
        place === undefined ? null : html`<code>${place}</code>, in `,
        `${percent(splat.rate)} of trials of ${splat.workloads.join(', ')}`,
        link === null ? null : [': ', link],
      ],
    ],
    [
      'since',
      `patch ${patch.index} ${patch.verdict} it, ${percent(splat.confidence)} sure: ${patch.subject}`,
    ],
    ['again', commandCode(page.command)],
  ];
}

/**
 * Returns the anchor of a splat's report on the page of a series. `index` is the number of the patch, and `at` is the number of the
 * splat in the patch.
 */
export function splatId({ index }: Pick<ReportedPatch, 'index'>, at: number): string {
  return `splat-${index}-${at}`;
}

/** Returns a link to the place of a splat on a console. Returns null when no console is kept, and when the line is on no page. */
export function seenLink(splat: SeenSuspect, page: SeriesPageInput): Markup | null {
  const found = page.placeOf(splat);
  const place = found === undefined ? null : consolePlace(found.line, found.lines);
  if (found === undefined || place === null) return null;
  const words = `line ${found.line} of the console of ${found.folder}`;
  return html`<a href="${folderLink(found.folder)}/${place}">${words}</a>`;
}

function seriesFacts(
  report: SeriesReport,
  { command, startedAt }: SeriesPageInput,
): readonly Fact[] {
  const { series, base, accel, timings, patches } = report;
  return [
    [
      'series',
      `${series.cover?.subjectLine ?? series.name}: ${counted(patches.length, 'patch', 'patches')}`,
    ],
    ['base', [base.build === null ? '' : `${base.build.release} from `, base.source]],
    ...base.series.map((name) => ['with', name] as const),
    ...(base.build === null ? [] : [['compiler', base.build.compiler] as const]),
    ...(accel === null ? [] : [['guest', accel] as const]),
    [
      'cost',
      `${counted(timings.trials, 'trial')} in ${whole(timings.trialSeconds)}, builds ${whole(timings.buildSeconds)}`,
    ],
    ['started', timeWords(startedAt)],
    ['command', commandCode(command)],
  ];
}

function whole(seconds: number): string {
  return `${Math.round(seconds)} s`;
}
