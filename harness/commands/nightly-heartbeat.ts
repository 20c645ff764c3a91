import { stat } from 'node:fs/promises';
import type { Argv } from 'yargs';
import { exitCodes } from '../errors.ts';
import { type History, openHistory } from '../history/database.ts';
import { importedRun, nightsSince } from '../history/nights.ts';
import { waitingNotices } from '../history/notices.ts';
import { readIfThere } from '../host/disk.ts';
import { tryLock } from '../host/lock.ts';
import { plain } from '../report/plain.ts';
import { openClock } from './clock.ts';
import type { CommandContext } from './context.ts';
import { number, wholeNumber } from './run-options.ts';

export interface HeartbeatArguments {
  readonly checkHeartbeat: boolean;
  readonly heartbeatHours: number | undefined;
}

export function heartbeatOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option('check-heartbeat', {
      boolean: true,
      default: false,
      describe:
        'run nothing; exit with 1 when no night began lately, when the last night was stopped and nothing continues it, or when notices were not delivered',
    })
    .option(
      'heartbeat-hours',
      number('with --check-heartbeat: the hours within which a night must have begun; default 26'),
    );
}

/** Returns the path of the lock that a night with this history holds while it runs. */
export function nightLock(historyPath: string): string {
  return `${historyPath}.night.lock`;
}

/** Checks that nights still run. Returns 0. When something is wrong, prints a line with the fault and returns 1. */
export async function checkHeartbeat(
  historyPath: string,
  { heartbeatHours }: HeartbeatArguments,
  context: CommandContext,
): Promise<number> {
  const hours = wholeNumber('heartbeat-hours', heartbeatHours, 1, 10_000) ?? 26;
  const isThere = (await readIfThere(stat(historyPath))) !== undefined;
  const faults = isThere
    ? await faultsIn(historyPath, hours, context)
    : [`no night ever began: there is no ${historyPath}`];
  context.stdout.write(`${faults.length === 0 ? 'nights go on' : plain(faults.join('; '))}\n`);
  return faults.length === 0 ? exitCodes.clean : exitCodes.splat;
}

async function faultsIn(
  path: string,
  hours: number,
  context: CommandContext,
): Promise<readonly string[]> {
  await using history = await openHistory(path, { ...context, create: false });
  // An imported run does not show that nights still begin.
  const last = nightsSince(history, 0).find((night) => night.matrixFile !== importedRun);
  if (last === undefined) return ['no night ever began'];
  const agoHours = (openClock(context.env)() - last.startedMs) / 3_600_000;
  const waiting = waitingNotices(history).length;
  return [
    ...(agoHours <= hours
      ? []
      : [`no night began since ${last.name}, ${Math.floor(agoHours)} h ago`]),
    ...(last.state === 'open' && !(await isRunning(history, context))
      ? [`night ${last.name} was stopped, and nothing goes on with it`]
      : []),
    ...(waiting === 0
      ? []
      : [waiting === 1 ? '1 notice was not delivered' : `${waiting} notices were not delivered`]),
  ];
}

async function isRunning(history: History, { signal }: CommandContext): Promise<boolean> {
  await using lock = await tryLock(nightLock(history.path), { signal });
  return lock === undefined;
}
