import { resolve } from 'node:path';
import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import type { History, Run } from '../history/database.ts';
import type { StoredNight } from '../history/nights.ts';
import { keepTold, queueNotices, waitingNotices } from '../history/notices.ts';
import { pause, startDeadline } from '../host/deadline.ts';
import { findProgram, startTool } from '../host/process.ts';
import { noticesOf, summaryOf } from '../night/notices.ts';
import type { NightRecord } from '../records/night.ts';
import { type Notice, noticeKinds, noticeSchema } from '../records/notice.ts';
import { checkValue } from '../records/schema.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';
import { list, number, text, wholeNumber } from './run-options.ts';

export interface NoticeArguments {
  readonly notify: string | undefined;
  readonly notifyArg: readonly string[];
  readonly notifyMost: number | undefined;
}

export function noticeOptions<T>(yargs: Argv<T>): Argv<T> {
  return yargs
    .option(
      'notify',
      text(
        'start PROGRAM, with JSON on its stdin, for each splat that is new or back, and for each reason why cells are broken, disappeared or infrastructure',
      ),
    )
    .option('notify-arg', list('an argument for the --notify program; repeatable'))
    .option(
      'notify-most',
      number(
        'the most notices that a night sends one by one, default 10; one summary replaces the rest',
      ),
    );
}

/** Notifies people of what a night found, through the program of --notify. */
export interface Notifier {
  /** Stores the notices of a night, in the database transaction that closes the night. */
  readonly queue: (run: Run, night: Pick<StoredNight, 'id' | 'dir'>, record: NightRecord) => void;
  /**
   * Sends the stored notices and resolves to undefined. When a call of the program fails, resolves to a line with the reason; the
   * remaining notices wait for the next night.
   */
  readonly send: (history: History) => Promise<string | undefined>;
}

/** The time that one call of the program of --notify may take, in milliseconds. */
const longestMs = 60_000;

/**
 * Opens the notifier for the command line. Returns undefined without --notify. Throws `usage` for a program that does not exist.
 */
export async function openNotifier(
  { notify, notifyArg, notifyMost }: NoticeArguments,
  context: CommandContext,
  limitMs = longestMs,
): Promise<Notifier | undefined> {
  const most = wholeNumber('notify-most', notifyMost, 1, 1000) ?? 10;
  if (notify === undefined) {
    if (notifyArg.length === 0 && notifyMost === undefined) return undefined;
    throw new HarnessError('usage', '--notify-arg and --notify-most need --notify PROGRAM');
  }
  const program = notify.includes('/') ? resolve(context.cwd, notify) : notify;
  if ((await findProgram(program)) === undefined) {
    throw new HarnessError(
      'usage',
      `--notify ${notify}: no such program, or no permission to run it`,
    );
  }
  const tell = async (notice: Notice): Promise<string | undefined> =>
    tellOne(program, notifyArg, notice, { context, limitMs });
  return {
    queue: (run, { id, dir }, record) => {
      const made = noticesOf(record, dir).map(({ notice, matters }) => ({
        id: notice.id,
        notice: JSON.stringify(notice),
        matters,
      }));
      queueNotices(run, id, made);
    },
    send: async (history) => {
      const waiting = waitingNotices(history).flatMap(readNotice).toSorted(byUrgency);
      const single = waiting.slice(0, most);
      const rest = waiting.slice(most);
      let told = 0;
      for (const [notice, ids] of [
        ...single.map((one) => [one, [one.id]] as const),
        ...(rest.length === 0 ? [] : [[summaryOf(rest), rest.map(({ id }) => id)] as const]),
      ]) {
        const fault = await tell(notice);
        if (fault !== undefined) {
          const left = waiting.length - told;
          return `--notify ${plain(notify)}: ${plain(fault)}; ${left} of ${waiting.length} notices wait for the next night`;
        }
        await keepTold(history, ids);
        told += ids.length;
      }
      return undefined;
    },
  };
}

/** Reads a stored notice. Returns an empty list for a notice of a later version of splat, which is left to that version. */
function readNotice(json: string): readonly Notice[] {
  const checked = checkValue(noticeSchema, JSON.parse(json));
  return checked.isRight ? [checked.value] : [];
}

const place = ({ kind }: Notice): number => noticeKinds.findIndex((known) => known === kind);

function byUrgency(one: Notice, other: Notice): number {
  return one.night.localeCompare(other.night) || place(one) - place(other);
}

/**
 * Calls the program of --notify once, with the environment of this process. Resolves to undefined when the program exits with 0, or
 * else to the reason of the failure. When the time is over, the program and its children are killed.
 */
async function tellOne(
  program: string,
  args: readonly string[],
  notice: Notice,
  { context, limitMs }: { readonly context: CommandContext; readonly limitMs: number },
): Promise<string | undefined> {
  if (context.signal.aborted) return 'interrupted';
  const stop = new AbortController();
  let isLate = false;
  using _deadline = startDeadline(context.signal, limitMs, () => {
    isLate = !context.signal.aborted;
    stop.abort();
  });
  const env = Object.fromEntries(
    Object.entries(context.env).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    ),
  );
  const input = `${JSON.stringify(notice)}\n`;
  const child = startTool(program, args, { signal: stop.signal, cwd: context.cwd, env, input });
  // A child of the program that has a session of its own may keep the program's output open for ever.
  const over = new AbortController();
  const end = await Promise.race([child.ended, pause(limitMs + 10_000, over.signal)]);
  over.abort();
  if (isLate) return `gave no result within ${limitMs / 1000} s`;
  if (end === undefined || context.signal.aborted) return 'interrupted';
  if (end.exitCode === 0) return undefined;
  return end.killedBy === undefined ? `exit code ${end.exitCode}` : `killed by ${end.killedBy}`;
}
