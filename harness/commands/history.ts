import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError } from '../errors.ts';
import { backupHistory, type History, openHistory, storedJson } from '../history/database.ts';
import { listIssues } from '../history/list-issues.ts';
import { nightsSince } from '../history/nights.ts';
import { importRun } from '../plans/night/import-run.ts';
import { readRun } from '../plans/run/run-record.ts';
import type { HistoryList, ListedIssue } from '../records/history-list.ts';
import { jsonText } from '../report/json-text.ts';
import { plain } from '../report/plain.ts';
import { openClock } from './clock.ts';
import type { CommandContext } from './context.ts';
import { describeEvidence, keptEvidence } from './history-evidence.ts';
import { text } from './run-options.ts';
import { historyFile } from './runs-folder.ts';

export interface HistoryArguments {
  readonly words: readonly string[];
  readonly history: string | undefined;
  readonly since: string | undefined;
  readonly json: boolean;
}

export const command = 'history [words..]';

export function builder(yargs: Argv): Argv<HistoryArguments> {
  return yargs
    .positional('words', {
      type: 'string',
      array: true,
      describe: 'SIGNATURE or a part of a title; or import RUN...; or backup FILE',
    })
    .option('history', text('the history file; default ./splat-history.db'))
    .option('since', text('only splats seen since a day such as 2027-01-31, or in the last 14d'))
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document',
    }) as unknown as Argv<HistoryArguments>;
}

/**
 * Shows, fills or backs up a history. Returns 0. Throws `usage` for a signature or a title that no night saw, or that no night
 * since --since saw.
 */
export async function run(argv: HistoryArguments, context: CommandContext): Promise<number> {
  const [word, ...rest] = argv.words ?? [];
  const { cwd, env } = context;
  const path = argv.history === undefined ? historyFile(cwd, env) : resolve(cwd, argv.history);
  await using history = await openHistory(path, { ...context, create: word === 'import' });
  if (word === 'import') return await importRuns(rest, history, argv, context);
  if (word === 'backup') {
    const [file, ...more] = rest;
    if (file === undefined || more.length > 0) {
      throw new HarnessError('usage', 'history backup needs one FILE, the name of the copy');
    }
    await backupHistory(history, resolve(context.cwd, file));
    context.stdout.write(argv.json ? `${jsonText({ backup: file })}\n` : `${plain(file)}\n`);
    return exitCodes.clean;
  }
  if (rest.length > 0) {
    throw new HarnessError(
      'usage',
      `history: unexpected argument ${rest.join(' ')}; give one SIGNATURE, or a part of a title in quotes`,
    );
  }
  const sinceMs = argv.since === undefined ? 0 : sinceOf(argv.since, openClock(context.env)());
  const issues = listIssues(history, { sought: word, sinceMs });
  if (word !== undefined && issues.length === 0) {
    const since = argv.since === undefined ? '' : ` since ${argv.since}`;
    throw new HarnessError(
      'usage',
      `history: no night${since} saw a splat with the signature ${word}, or with ${word} in its title; splat history lists all splats`,
    );
  }
  const nights = nightsSince(history, sinceMs).map((night) => ({
    night: night.name,
    state: night.state,
    verdict: night.verdict === null ? null : storedJson(history, night.verdict),
    exitCode: night.exitCode,
    dir: night.dir,
    matrix: night.matrixFile,
    harness: night.harness,
  }));
  const evidence = await keptEvidence(history, issues);
  const list: HistoryList = { schema: 'splat-history/1', nights, issues, evidence };
  context.stdout.write(
    argv.json
      ? `${jsonText(list)}\n`
      : describeHistory(issues, nights, word !== undefined) +
          (word === undefined ? '' : describeEvidence(evidence, context.cwd)),
  );
  return exitCodes.clean;
}

async function importRuns(
  runs: readonly string[],
  history: History,
  argv: HistoryArguments,
  context: CommandContext,
): Promise<number> {
  if (runs.length === 0)
    throw new HarnessError('usage', 'history import needs at least one run directory');
  const nights: string[] = [];
  for (const one of runs) {
    const dir = resolve(context.cwd, one);
    const { record, result } = await readRun(dir);
    nights.push(await importRun(history, dir, record, result));
  }
  context.stdout.write(
    argv.json ? `${jsonText({ imported: nights })}\n` : `${nights.map(plain).join('\n')}\n`,
  );
  return exitCodes.clean;
}

/**
 * Returns the time that --since names, in milliseconds since 1970. --since takes a day such as `2027-01-31`, or an age in days such
 * as `14d`. Throws `usage` for anything else.
 */
function sinceOf(since: string, nowMs: number): number {
  const days = /^(\d{1,5})d$/.exec(since)?.[1];
  if (days !== undefined) return nowMs - Number(days) * 24 * 60 * 60 * 1000;
  const time = /^\d{4}-\d\d-\d\d/.test(since) ? Date.parse(since) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new HarnessError(
    'usage',
    `--since ${since}: neither a day such as 2027-01-31 nor an age such as 14d`,
  );
}

function describeHistory(
  issues: readonly ListedIssue[],
  nights: readonly {
    readonly night: string;
    readonly state: string;
    readonly exitCode: number | null;
  }[],
  isSought: boolean,
): string {
  const rows = issues.map((one) => {
    const rate = `${one.hits} of ${one.trials}`;
    const seen = `${one.firstSeen.slice(0, 10)} to ${one.lastSeen.slice(0, 10)}`;
    return plain(
      `${one.state.padEnd(4)}  ${seen}  ${rate.padEnd(12)}  ${one.title}  [${one.signature}]  ${one.name}`,
    );
  });
  const shown = isSought
    ? []
    : nights
        .slice(0, 14)
        .map(({ night, state, exitCode }) =>
          plain(`${night}  ${state}${exitCode === null ? '' : `, exit code ${exitCode}`}`),
        );
  const heads = rows.length === 0 ? ['no night saw a splat'] : rows;
  return `${[...heads, ...(shown.length > 0 ? ['', ...shown] : [])].join('\n')}\n`;
}
