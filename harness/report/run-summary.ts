import { counted } from '../counted.ts';
import type { RunResult } from '../records/run-result.ts';
import type { SubtestResult } from '../records/subtest.ts';
import type { TrialResult } from '../records/trial.ts';
import { isNotRun, type Verdict, verdictPhrase } from '../verdict.ts';
import { coverageLine } from './coverage-text.ts';
import { fullTableLines } from './lockdep-tables.ts';
import { lockLines } from './locks-text.ts';
import { plain, plainLines } from './plain.ts';
import { counterWord, seconds, seenSplats, splatWords, verdictReason } from './run-words.ts';
import { type Style, styleFor } from './style.ts';

export interface SummaryOptions {
  readonly colour: boolean;
  /** The run directory, as shown to the user. */
  readonly dir: string;
  /** Returns the command that replays one trial, or the whole run for an empty id. */
  readonly reproduce: (trial: string) => string;
}

/** The largest width of the witness column, in characters, with which the table fits a terminal. */
const witnessChars = 50;
/** The number of lines of a splat's report that are printed. The run directory has the whole report. */
const shownReportLines = 60;

/** Returns the text at the end of a run: a table of trials, each different splat, and the verdict. */
export function describeRun(run: RunResult, options: SummaryOptions): string {
  const style = styleFor(options.colour);
  return [
    ...describeKernel(run),
    ...(run.trials.length === 0 ? [] : ['', ...trialTable(run.trials, style)]),
    ...moduleLines(run, style),
    ...counterLines(run, style),
    ...subtestLines(run.trials, style),
    ...describeSplats(run, style, options),
    ...knownLines(run, style),
    ...lockLines(run.locks, style),
    ...problemLines(run, style),
    ...fullTableLines(run.trials).map((line) => `${style.doubtful('ledger')}   ${line}`),
    '',
    `${style.strong('verdict')}  ${shade(style, run.verdict)(verdictPhrase(run.verdict))}${verdictDetail(run)}`,
    ...coverageLines(run),
    `run      ${plain(options.dir)}`,
    '',
  ].join('\n');
}

/** Returns the lines of the table of trials, without colours. */
export function describeTrials(trials: readonly TrialResult[]): readonly string[] {
  return trialTable(trials, styleFor(false));
}

function describeKernel({ kernel, accel, accelReason }: RunResult): readonly string[] {
  if (kernel === null) return [];
  const guest = accel === null ? [] : [`guest    ${accel}: ${plain(accelReason ?? '')}`];
  return ['', `kernel   ${plain(kernel.release)} from ${plain(kernel.source)}`, ...guest];
}

function trialTable(trials: readonly TrialResult[], style: Style): readonly string[] {
  const rows = trials.map((trial) => ({
    cells: [
      trial.id,
      verdictCell(trial.verdict),
      splatWords(trial),
      witnessCell(trial),
      seconds(trial.timings.totalMs),
    ],
    trial,
  }));
  const heads = ['trial', 'verdict', 'splats', 'witnesses', 'time'];
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map(({ cells }) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[], paint: (text: string) => string): string =>
    cells
      .map((cell, column) => {
        const padded =
          column === cells.length - 1
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0);
        return column === 1 ? paint(padded) : padded;
      })
      .join('  ');
  return [
    style.faint(line(heads, (text) => text)),
    ...rows.map(({ cells, trial }) => line(cells.map(plain), shade(style, trial.verdict))),
  ];
}

/** The verdict of a trial. For a trial that was not run, the reason is printed below the table. */
function verdictCell(verdict: Verdict): string {
  return isNotRun(verdict) ? 'not run' : verdictPhrase(verdict);
}

/** Lines about the loaded modules, with the number of functions of each module that ran. */
function moduleLines({ modules = [] }: RunResult, style: Style): readonly string[] {
  const lines = modules.map(({ name, taint, folder, functions, ran }) => {
    const tainted = taint === '' ? '' : ` (taint ${taint})`;
    const part = folder === null ? 'loaded' : `${ran.length} of ${functions} functions ran`;
    return `${style.faint('module')}   ${plain(`${name}${tainted}`)}: ${part}`;
  });
  return lines.length === 0 ? [] : ['', ...lines];
}

/** Lines with all counters that are not zero, for trials without required witnesses, which run the user's own workloads. */
function counterLines({ trials }: RunResult, style: Style): readonly string[] {
  const lines = trials
    .filter(({ witnesses, verdict }) => Object.keys(witnesses).length === 0 && !isNotRun(verdict))
    .map(({ id, counters }) => {
      const seen = Object.entries(counters).filter(([, count]) => count > 0);
      const words = seen.map(([name, count]) => `${name} ${count}`).join(', ');
      return `${style.faint('counted')}  ${id}: ${plain(words) || 'no counter that splat reads moved'}`;
    });
  return lines.length === 0 ? [] : ['', ...lines];
}

/** Lines about the tests inside trials: the number of tests with each result, and the unexpected results. */
function subtestLines(trials: readonly TrialResult[], style: Style): readonly string[] {
  const all = trials.flatMap(({ subtests = [] }) => subtests);
  if (all.length === 0) return [];
  const asExpected = all.filter(
    ({ result, expected }) => expected !== undefined && result !== 'pass',
  );
  const strange = all.filter(({ result, expected }) => isFailure(result) && expected === undefined);
  const better = all.filter(({ result, expected }) => result === 'pass' && expected === 'fail');
  const counts = countWords(all.map(({ result }) => result));
  return [
    '',
    `subtests ${counts}; failed as expected: ${asExpected.length}; failed and not expected: ${strange.length}`,
    ...strange.map(({ name, result }) => `  ${style.bad(result)}     ${plain(name)}`),
    ...better.map(({ name }) => `  passed, and was expected to fail: ${plain(name)}`),
  ];
}

function countWords(results: readonly SubtestResult[]): string {
  const counts = new Map<SubtestResult, number>();
  for (const result of results) counts.set(result, (counts.get(result) ?? 0) + 1);
  return [...counts].map(([result, count]) => `${count} ${result}`).join(', ');
}

function isFailure(result: SubtestResult): boolean {
  return result !== 'pass' && result !== 'skip' && result !== 'notrun';
}

/** As many witnesses as fit into the column, with zero counts first. result.json has all witnesses. */
function witnessCell({ witnesses }: TrialResult): string {
  const shown: string[] = [];
  const sorted = Object.entries(witnesses).toSorted(
    ([, a], [, b]) => Number(a > 0) - Number(b > 0),
  );
  for (const [name, count] of sorted) {
    const text = `${counterWord(name)} ${count}`;
    if ([...shown, text].join(', ').length > witnessChars && shown.length > 0) break;
    shown.push(text);
  }
  const left = sorted.length - shown.length;
  return left === 0 ? shown.join(', ') : `${shown.join(', ')}, +${left}`;
}

function knownLines(run: RunResult, style: Style): readonly string[] {
  const known = seenSplats(run, (splat) => splat.known === true);
  const lines = known.map(
    ({ splat, where }) =>
      `${style.doubtful('known')}    ${plain(splat.title)}, in ${where.join(', ')}`,
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

function describeSplats(run: RunResult, style: Style, options: SummaryOptions): readonly string[] {
  const unknown = seenSplats(run, (splat) => splat.known !== true);
  return unknown.flatMap(({ splat, where, trial }) => [
    '',
    `${style.bad('splat')}    ${style.strong(plain(splat.title))}`,
    `seen in  ${where.join(', ')}`,
    `again    ${plain(options.reproduce(trial))}`,
    ...splat.text.slice(0, shownReportLines).map((text) => `  ${plain(text)}`),
    ...(splat.text.length > shownReportLines
      ? [`  ... ${counted(splat.text.length - shownReportLines, 'more line')}`]
      : []),
  ]);
}

function problemLines({ trials }: RunResult, style: Style): readonly string[] {
  const lines = trials.flatMap(({ id, verdict }) =>
    verdict.kind === 'inconclusive'
      ? [`${style.doubtful(id)}: ${isNotRun(verdict) ? 'not run: ' : ''}${plain(verdict.message)}`]
      : [],
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

function verdictDetail(run: RunResult): string {
  const { verdict } = run;
  const reason = verdict.kind === 'inconclusive' ? '' : verdictReason(run);
  const log =
    verdict.kind === 'untestable' && verdict.output !== undefined
      ? `\n${plainLines(verdict.output)}`
      : '';
  return reason === '' ? log : `: ${plain(reason)}${log}`;
}

/** Lines below a verdict `clean` that say how much of the kernel ran. */
function coverageLines({ verdict, coverage }: RunResult): readonly string[] {
  if (coverage === undefined || verdict.kind !== 'clean') return [];
  return [`coverage ${coverageLine(coverage)}`];
}

function shade(style: Style, verdict: Verdict): (text: string) => string {
  switch (verdict.kind) {
    case 'clean':
      return style.good;
    case 'splat':
      return style.bad;
    case 'untestable':
    case 'inconclusive':
      return style.doubtful;
  }
}
