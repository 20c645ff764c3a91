import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { type ListEntry, listRuns } from '../plans/run/run-list.ts';
import type { ListedRun, RunList } from '../records/run-list.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { verdictPhrase } from '../verdict.ts';
import type { CommandContext } from './context.ts';
import { runsFolder, shownPath } from './runs-folder.ts';

export interface ListArguments {
  readonly folder: string | undefined;
  readonly json: boolean;
}

export const command = 'list [folder]';

export function builder(yargs: Argv): Argv<ListArguments> {
  return yargs
    .positional('folder', {
      type: 'string',
      describe: 'the folder with the runs, series and bisections; default ./splat-runs',
    })
    .option('json', { boolean: true, default: false, describe: 'print one JSON document' });
}

/**
 * Lists the runs, series and bisections in a folder. Returns 0. When the folder is missing, throws `usage` if the user named the
 * folder, and lists nothing otherwise.
 */
export async function run(argv: ListArguments, context: CommandContext): Promise<number> {
  const { folder = runsFolder(context) } = argv;
  const absentIsEmpty = argv.folder === undefined;
  const runs = (await listRuns(resolve(context.cwd, folder), { absentIsEmpty })).map(listedRun);
  const list: RunList = { schema: 'splat-list/1', runs };
  const shown = shownPath(resolve(context.cwd, folder), context.cwd);
  const text = runs.length === 0 ? `no runs in ${plain(shown)}\n` : describeRuns(runs, context.cwd);
  context.stdout.write(argv.json ? `${jsonText(list)}\n` : text);
  return exitCodes.clean;
}

function listedRun(entry: ListEntry): ListedRun {
  const { kind, dir, state, startedAt } = entry;
  const row = { ...blank, kind, dir, state, startedAt };
  if (entry.state === 'broken') return { ...row, message: entry.message };
  if (entry.kind === 'series') {
    const { verdict, patches, kernel, trials } = entry;
    return { ...row, verdict, patches, kernel, trials, series: [entry.series] };
  }
  if (entry.kind === 'bisect') {
    const { culprit, candidates, trials } = entry;
    return { ...row, culprit, candidates, trials };
  }
  if (entry.kind === null) return row;
  const { kernel, series } = entry.record.request;
  const listed = { ...row, kernel, series: series.map(({ name }) => name) };
  if (entry.state === 'unfinished') return listed;
  const { result } = entry;
  return {
    ...listed,
    release: result.kernel?.release ?? null,
    verdict: verdictPhrase(result.verdict),
    trials: result.trials.length,
  };
}

const blank = {
  kernel: null,
  release: null,
  series: [],
  verdict: null,
  trials: 0,
  patches: null,
  culprit: null,
  candidates: null,
  message: null,
};

/**
 * The result of a run, series or bisection in words: `clean`, `series of 3 patches: splat`, `bisect: 1a2b3c4d5e6f`, `unfinished`.
 */
function outcome({
  kind,
  state,
  verdict,
  patches,
  culprit,
  candidates,
  message,
}: ListedRun): string {
  if (message !== null)
    return `broken: ${message.length > 60 ? `${message.slice(0, 57)}...` : message}`;
  if (state === 'unfinished') return state;
  if (kind === 'bisect') {
    const open = candidates === 0 ? 'no answer' : `one of ${candidates}`;
    return `bisect: ${culprit === null ? open : culprit.slice(0, 12)}`;
  }
  if (kind !== 'series') return verdict ?? state;
  return `series of ${patches} ${patches === 1 ? 'patch' : 'patches'}: ${verdict}`;
}

/**
 * The names of a run's series, shortened, because a long list would push the name of the folder off the screen. --json prints
 * all names.
 */
function shownSeries([first, ...others]: readonly string[]): string {
  if (first === undefined) return '-';
  const name = first.length > 40 ? `${first.slice(0, 37)}...` : first;
  return others.length === 0 ? name : `${name} and ${others.length} more`;
}

function describeRuns(runs: readonly ListedRun[], cwd: string): string {
  const heads = ['date', 'verdict', 'trials', 'kernel', 'series', 'dir'];
  const rows = runs.map((one) => [
    one.startedAt.slice(0, 16).replace('T', ' '),
    outcome(one),
    one.state === 'finished' ? String(one.trials) : '-',
    [one.kernel ?? '-', ...(one.release === null ? [] : [`(${one.release})`])].join(' '),
    shownSeries(one.series),
    shownPath(one.dir, cwd),
  ]);
  const table = [heads, ...rows].map((row) => row.map(plain));
  const widths = heads.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${table.map(line).join('\n')}\n`;
}
