import { stat } from 'node:fs/promises';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError, isHarnessError } from '../errors.ts';
import { type History, openHistory, requireIntact } from '../history/database.ts';
import { openNight } from '../history/nights.ts';
import { explainDiskError, readIfThere } from '../host/disk.ts';
import { tryLock } from '../host/lock.ts';
import { cacheRoot } from '../host/store.ts';
import { ancestryIn } from '../plans/night/ancestry.ts';
import { finishNight } from '../plans/night/finish-night.ts';
import { planNight } from '../plans/night/plan-night.ts';
import { retainNights } from '../plans/night/retain-nights.ts';
import { runNight } from '../plans/night/run-night.ts';
import type { NightRecord } from '../records/night.ts';
import { jsonText } from '../report/json-text.ts';
import { formatNightJunit } from '../report/night-junit.ts';
import { formatNightKcidb } from '../report/night-kcidb.ts';
import { formatNightKtap } from '../report/night-ktap.ts';
import { formatNightMarkdown } from '../report/night-markdown.ts';
import { describeNight } from '../report/night-text.ts';
import { progressWriter } from '../report/progress.ts';
import { openClock } from './clock.ts';
import type { CommandContext } from './context.ts';
import { cellNeeds } from './guest-options.ts';
import { installPackages } from './install.ts';
import { digest } from './kcidb-document.ts';
import { beginOrResume } from './nightly-begin.ts';
import {
  checkHeartbeat,
  type HeartbeatArguments,
  heartbeatOptions,
  nightLock,
} from './nightly-heartbeat.ts';
import { type NightInputs, readMatrix, readNightInputs } from './nightly-inputs.ts';
import {
  type NoticeArguments,
  type Notifier,
  noticeOptions,
  openNotifier,
} from './nightly-notices.ts';
import { describePlan } from './nightly-plan.ts';
import { reportNight } from './report-night.ts';
import { writeReports } from './run-directory.ts';
import { openEvents } from './run-events.ts';
import { jobsText, number, storeOptions, text, wholeNumber } from './run-options.ts';
import { shownPath } from './runs-folder.ts';
import { requireReports, writeRecord } from './write-record.ts';

export interface NightlyArguments extends NoticeArguments, HeartbeatArguments {
  readonly matrix: string;
  readonly out: string | undefined;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly cell: string | undefined;
  readonly jobs: number | undefined;
}

export function nightOptions(yargs: Argv): Argv<NightlyArguments> {
  const options = storeOptions(yargs)
    .option(
      'out',
      text(
        'the folder of the night or part, by default below ./splat-nights; with plan, the plan file, by default plan.json',
      ),
    )
    .option('json', {
      boolean: true,
      default: false,
      describe: 'print one JSON document: night.json, or what plan, --shard or --dry-run give',
    })
    .option('dry-run', {
      boolean: true,
      default: false,
      describe: 'print cells, kernels and expected time, and run nothing',
    })
    .option('cell', text('run only the cell with this id'))
    .option('jobs', number(jobsText));
  return heartbeatOptions(noticeOptions(options)) as unknown as Argv<NightlyArguments>;
}

/**
 * Runs a night on this host, and resolves to the night's exit code. The same command continues a night that was stopped. With
 * --dry-run or --check-heartbeat, no trial is run.
 */
export async function runNightHere(argv: NightlyArguments, context: CommandContext) {
  const jobs = wholeNumber('jobs', argv.jobs, 1, 1024);
  const now = openClock(context.env);
  if (argv.checkHeartbeat) {
    return checkHeartbeat((await readMatrix(argv, context)).historyPath, argv, context);
  }
  const notifier = await openNotifier(argv, context);
  const inputs = await readNightInputs(argv, context);
  if (argv.dryRun) return dryRun(inputs, argv, context);
  await using history = await openHistory(inputs.historyPath, { ...context, create: true });
  await using _lock = await lockNight(history, context.signal);
  const events = openEvents(progressWriter(context.stderr, context.live));
  await installPackages(context, cellNeeds(inputs.matrix.cells));
  const begun = await beginOrResume(history, inputs, argv, { now, context });
  const { night, plan } = begun;
  const about = { current: night.id, nowMs: now() };
  const notes = [...begun.notes, ...(await makeRoom(history, inputs.matrix.value, about))];
  for (const note of notes) events.emit({ kind: 'note', text: note });
  events.keepIn(night.dir);
  let isClosed = false;
  try {
    const { budget } = inputs.matrix.value;
    const judged = await runNight({
      history,
      night,
      plan,
      cwd: inputs.cwd,
      cacheRoot: cacheRoot(context.env),
      jobs,
      runId: events.runId,
      signal: context.signal,
      leftMs:
        budget === undefined ? undefined : Math.max(1, night.startedMs + budget * 60_000 - now()),
      known: inputs.known,
      now,
      emit: events.emit,
      writeRun: async (one) => void (await writeReports(one, context)),
    });
    const record = await finishNight(history, night, judged, {
      nowMs: now(),
      known: inputs.known,
      matrixCells: inputs.matrix.cells,
      notes,
      isAncestor: ancestryIn(plan, context.signal),
      also: (write, told) => notifier?.queue(write, night, told),
    });
    isClosed = true;
    const work = { dir: night.dir, notifier, history, journalFailures: events.failures };
    return await tellNight(record, work, argv, context);
  } catch (error) {
    throw explainStop(error, { dir: shownPath(night.dir, context.cwd), isClosed });
  }
}

/** Writes the reports of a closed night, prints the night and sends its notices. Resolves to the night's exit code. */
export async function tellNight(
  record: NightRecord,
  work: {
    readonly dir: string;
    readonly notifier: Notifier | undefined;
    readonly history: History;
    /** Returns the reasons why events are missing in the night's events.jsonl. Called after everything else is reported. */
    readonly journalFailures?: () => readonly string[];
  },
  argv: Pick<NightlyArguments, 'out' | 'json'>,
  context: CommandContext,
): Promise<number> {
  const { notifier, history, journalFailures = () => [] } = work;
  const failures = await writeNight(record, work.dir, argv, context);
  const dir = shownPath(work.dir, context.cwd);
  context.stdout.write(
    argv.json ? `${jsonText(record)}\n` : describeNight(record, { colour: context.colour, dir }),
  );
  const untold = await notifier?.send(history);
  if (untold !== undefined) context.stderr.write(`splat: ${untold}\n`);
  requireReports([...failures, ...journalFailures()], 'night.json');
  return record.exitCode;
}

/**
 * The error for a night that ended early. The message says which results of the night remain, so that nobody begins again because
 * of a full disk.
 */
function explainStop(
  error: unknown,
  { dir, isClosed }: { readonly dir: string; readonly isClosed: boolean },
): unknown {
  const explained = explainDiskError(error, dir);
  if (!isHarnessError(explained, 'infra', 'interrupted')) return explained;
  const next = isClosed
    ? 'the results of the night are in the history'
    : `finished results are kept in ${dir}, and the same command continues there`;
  return new HarnessError(explained.code, `${explained.message}; ${next}`, { cause: error });
}

/** Writes a night and all its reports. Resolves to a line for each report that could not be made. */
async function writeNight(
  record: NightRecord,
  dir: string,
  { out }: Pick<NightlyArguments, 'out'>,
  { cwd }: CommandContext,
): Promise<readonly string[]> {
  return writeRecord(dir, { file: 'night.json', value: record }, [
    { file: 'summary.md', make: () => formatNightMarkdown(record) },
    { file: 'junit.xml', make: () => formatNightJunit(record) },
    { file: 'results.tap', make: () => formatNightKtap(record) },
    {
      file: 'kcidb.json',
      make: () => `${jsonText(formatNightKcidb(record, { origin: 'splat', digest }), 2)}\n`,
    },
    {
      file: 'night.html',
      make: async () => {
        // A folder that the user named may be anywhere, so the night is not added to an index in that place.
        await reportNight(dir, cwd, { inIndex: out === undefined });
        return null;
      },
    },
  ]);
}

async function dryRun(
  { matrix, cwd, historyPath }: NightInputs,
  { cell, json }: NightlyArguments,
  { signal, stdout }: CommandContext,
): Promise<number> {
  const isThere = (await readIfThere(stat(historyPath))) !== undefined;
  await using history = isThere
    ? await openHistory(historyPath, { signal, create: false })
    : undefined;
  const plan = await planNight(matrix, { history, cwd, cell, signal });
  stdout.write(describePlan(plan, json));
  return exitCodes.clean;
}

/**
 * Holds the lock of a history while a night runs with this history. Throws `infra` when another night holds the lock, and `config`
 * when the history is damaged and could not store the night at its end.
 */
export async function lockNight(history: History, signal: AbortSignal): Promise<AsyncDisposable> {
  requireIntact(history);
  return (await tryLock(nightLock(history.path), { signal })) ?? refuseSecond(history);
}

function refuseSecond(history: History): never {
  const night = openNight(history);
  const which = night === undefined ? 'a night' : `night ${night.name}, in ${night.dir},`;
  const why = `${which} is running with history ${history.path}; wait until it has ended, since a history serves one night at a time`;
  throw new HarnessError('infra', why);
}

/** Frees disk space before the night needs it. A failure is reported, and does not prevent the night. */
async function makeRoom(
  history: History,
  { retention }: NightInputs['matrix']['value'],
  about: { readonly current: number; readonly nowMs: number },
): Promise<readonly string[]> {
  if (retention === undefined) return [];
  try {
    return [(await retainNights(history, retention, about)) ?? []].flat();
  } catch (error) {
    return [
      `retention: the files of old nights could not be removed: ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
}
