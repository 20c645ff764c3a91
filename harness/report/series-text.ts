import { counted } from '../counted.ts';
import type { ReportedFunction, ReportedPatch, SeriesReport } from '../records/series.ts';
import type { PatchVerdict } from '../verdict.ts';
import { plain } from './plain.ts';
import { percent, previousLines, suspectWords } from './series-words.ts';
import { type Style, styleFor } from './style.ts';

export interface SeriesTextOptions {
  readonly colour: boolean;
  /** The folder of the series, as shown to the user. */
  readonly dir: string;
}

/** The number of lines of a splat's report that are printed. series.json has the whole report. */
const shownReportLines = 60;

/** Returns the text for the terminal at the end of a series: one line for each patch, the patch's splats, and the conclusion. */
export function describeSeries(result: SeriesReport, options: SeriesTextOptions): string {
  const style = styleFor(options.colour);
  const { verdict } = result;
  const because = verdict.because === undefined ? '' : `  ${plain(verdict.because)}`;
  return [
    '',
    ...describeBase(result, style),
    '',
    ...result.patches.flatMap((patch) => patchLines(patch, result.patches.length, style)),
    ...sinceLines(result, style),
    ...reportLines(result, style),
    ...coverageLines(result, style),
    ...boundLines(result, style),
    ...suiteLines(result, style),
    '',
    `${style.strong('verdict')}  ${shadeOf(style, result.exitCode)(verdict.kind)}${because}`,
    `series   ${plain(options.dir)}`,
    '',
  ].join('\n');
}

function describeBase({ base, series }: SeriesReport, style: Style): readonly string[] {
  const release = base.build === null ? '' : `${base.build.release} from `;
  const state = base.state === 'broken' ? style.bad(`  ${plain(base.because ?? '')}`) : '';
  return [
    ...(series.cover === null ? [] : [`cover    ${plain(series.cover.subject)}`]),
    `base     ${plain(`${release}${base.source}`)}${state}`,
    ...base.series.map((name) => `         with ${plain(name)}`),
    ...base.unproved.map((text) => `         ${style.doubtful('does not show')} ${plain(text)}`),
    ...base.splats.map(
      (splat) =>
        `         ${style.faint(`${splat.perhaps === true ? 'perhaps has' : 'has'} already: ${plain(suspectWords(splat))}`)}`,
    ),
  ];
}

const shades: Readonly<Record<PatchVerdict, 'good' | 'bad' | 'doubtful'>> = {
  untestable: 'bad',
  inconclusive: 'doubtful',
  introduces: 'bad',
  exposes: 'bad',
  fixes: 'good',
  unaffected: 'good',
};

function patchLines(patch: ReportedPatch, total: number, style: Style): readonly string[] {
  const { index, verdict, subject, because, warnings, splats, locks } = patch;
  const number = String(index).padStart(String(total).length);
  const indent = ' '.repeat(number.length + 2);
  return [
    `${number}  ${style[shades[verdict]](verdict.padEnd(12))}  ${plain(subject)}`,
    ...splats.map((splat) => `${indent}${plain(suspectWords(splat))}`),
    ...(because === undefined ? [] : [`${indent}${style.faint(plain(because))}`]),
    ...locks.map(
      ({ from, to }) => `${indent}${style.faint(plain(`new lock order: ${from} -> ${to}`))}`,
    ),
    ...warnings.map(({ place, text }) => `${indent}new warning: ${plain(`${place}: ${text}`)}`),
  ];
}

/** Lines about what has changed since the earlier version of the series. */
function sinceLines(result: SeriesReport, style: Style): readonly string[] {
  const [first, ...rest] = previousLines(result);
  return first === undefined
    ? []
    : [
        '',
        `before   ${plain(first)}`,
        ...rest.map((line) => style.faint(`         ${plain(line)}`)),
      ];
}

function reportLines({ patches }: SeriesReport, style: Style): readonly string[] {
  const shown = patches
    .filter(({ verdict }) => verdict === 'introduces' || verdict === 'exposes')
    .flatMap(({ index, splats }) => splats.map((splat) => ({ index, splat })))
    .filter(({ splat }) => splat.report.length > 0)
    .slice(0, 3);
  return shown.flatMap(({ index, splat }) => {
    const { report, title } = splat;
    const more = report.length - shownReportLines;
    return [
      '',
      style.strong(`patch ${index}: ${plain(title)}`),
      ...report.slice(0, shownReportLines).map((line) => `  ${plain(line)}`),
      ...(more > 0 ? [style.faint(`  ... ${counted(more, 'more line')} in series.json`)] : []),
    ];
  });
}

/**
 * Lines about the functions that the series changes: functions that ran, functions that never ran, and functions whose calls cannot
 * be counted.
 */
function coverageLines({ coverage }: SeriesReport, style: Style): readonly string[] {
  const named = (wanted: ReportedFunction['state']): string =>
    coverage
      .filter(({ state }) => state === wanted)
      .map(({ name, through }) => (through === undefined ? name : `${name} (in ${through})`))
      .join(', ');
  const rows = [
    ['ran', named('ran'), style.faint],
    ['never ran', named('not-run'), style.doubtful],
    ['not traced', named('untraceable'), style.faint],
  ] as const;
  const lines = rows.flatMap(([word, names, paint]) =>
    names === '' ? [] : [paint(`${word.padEnd(10)}  ${plain(names)}`)],
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

/**
 * Lines about what the trials could see: the rate above which the trials would have shown a splat, and the workloads in which no
 * trial could have shown a splat.
 */
function boundLines({ workloads }: SeriesReport, style: Style): readonly string[] {
  const worst = (field: 'seenAbove' | 'curedSeenAbove'): string | undefined => {
    const bounds = workloads.flatMap((workload) => workload[field] ?? []);
    return bounds.length === 0 ? undefined : percent(Math.max(...bounds));
  };
  const stays = worst('seenAbove');
  const goes = worst('curedSeenAbove');
  const deaf = workloads.filter(({ heard }) => heard === 0).map(({ name }) => name);
  return [
    ...(stays === undefined ? [] : ['', style.faint(boundLine(stays, goes))]),
    ...(deaf.length === 0 ? [] : [style.faint(`nothing heard from: ${plain(deaf.join(', '))}`)]),
  ];
}

function boundLine(stays: string, goes: string | undefined): string {
  const sure = `a splat in more than ${stays} of trials would have been seen with a chance of 95 %`;
  const later = goes === undefined || goes === stays ? '' : `, ${goes} if a later patch cures it`;
  return `on the whole series ${sure}${later}`;
}

/** Lines with the commands for the tests of the kernel tree that are near the change. splat does not run these tests. */
function suiteLines({ suites }: SeriesReport, style: Style): readonly string[] {
  if (suites.length === 0) return [];
  return [
    '',
    ...suites.map(({ kind, command }) => `${kind.padEnd(10)}  ${style.faint(plain(command))}`),
  ];
}

function shadeOf(style: Style, exitCode: number): (text: string) => string {
  if (exitCode === 0) return style.good;
  return exitCode === 1 ? style.bad : style.doubtful;
}
