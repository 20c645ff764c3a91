import { relative, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { listRuns, type RunEntry } from '../plans/run-record.ts';
import { plain } from '../report/plain.ts';
import { verdictPhrase } from '../verdict.ts';
import type { CommandContext } from './context.ts';

export interface ListArguments {
  readonly folder: string;
  readonly json: boolean;
}

export const command = 'list [folder]';
export const describe = 'list the runs of a folder, newest first';

export function builder(yargs: Argv): Argv<ListArguments> {
  return yargs
    .positional('folder', {
      type: 'string',
      default: 'splat-runs',
      describe: 'where the run directories are',
    })
    .option('json', { boolean: true, default: false, describe: 'print one JSON document' });
}

/** One row of `splat list --json`. */
interface ListedRun {
  readonly dir: string;
  readonly state: RunEntry['state'];
  readonly startedAt: string;
  readonly kernel: string | null;
  readonly release: string | null;
  readonly series: readonly string[];
  readonly verdict: string | null;
  readonly trials: number;
  /** Why a broken one is broken. */
  readonly message: string | null;
}

/** 0; a folder of its own that is not there is a usage error, the default one only empty. */
export async function run(argv: ListArguments, context: CommandContext): Promise<number> {
  const folder = resolve(context.cwd, argv.folder);
  const runs = (await listRuns(folder, { absentIsEmpty: argv.folder === 'splat-runs' })).map(
    listedRun,
  );
  context.stdout.write(
    argv.json
      ? `${JSON.stringify({ schema: 'splat-list/1', runs })}\n`
      : describeRuns(runs, context.cwd),
  );
  return exitCodes.clean;
}

function listedRun(entry: RunEntry): ListedRun {
  const record = entry.state === 'broken' ? undefined : entry.record;
  const result = entry.state === 'finished' ? entry.result : undefined;
  return {
    dir: entry.dir,
    state: entry.state,
    startedAt: entry.startedAt,
    kernel: record?.request.kernel ?? null,
    release: result?.kernel?.release ?? null,
    series: record?.request.series.map(({ name }) => name) ?? [],
    verdict: result === undefined ? null : verdictPhrase(result.verdict),
    trials: result?.trials.length ?? 0,
    message: entry.state === 'broken' ? entry.message : null,
  };
}

function describeRuns(runs: readonly ListedRun[], cwd: string): string {
  if (runs.length === 0) return 'no runs\n';
  const heads = ['date', 'verdict', 'trials', 'kernel', 'series', 'dir'];
  const rows = runs.map((one) => [
    one.startedAt.slice(0, 16).replace('T', ' '),
    one.verdict ?? (one.message === null ? one.state : `broken: ${one.message}`),
    one.state === 'finished' ? String(one.trials) : '-',
    [one.kernel ?? '-', ...(one.release === null ? [] : [`(${one.release})`])].join(' '),
    one.series.length === 0 ? '-' : one.series.join(' '),
    relative(cwd, one.dir) || '.',
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
