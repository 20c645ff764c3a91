import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { explainDiskError, makeFolder } from '../host/disk.ts';
import type { FinishedRun } from '../plans/run/asked-run.ts';
import { formatJunit } from '../report/junit.ts';
import { formatKtap } from '../report/ktap.ts';
import { drawLocks } from '../report/locks-svg.ts';
import type { ShownConsoles } from './console-pages.ts';
import type { CommandContext } from './context.ts';
import { eventsFile } from './run-events.ts';
import { formatRunAt, writeRunConsoles } from './run-page.ts';
import { runsFolder, shownPath } from './runs-folder.ts';
import { writeRecord } from './write-record.ts';

/** The run directory: new or empty, so that no file of another run is ever taken for one of this. */
export async function openRunDirectory(
  out: string | undefined,
  context: Pick<CommandContext, 'cwd' | 'env'>,
): Promise<string> {
  const stamp = new Date()
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '-');
  const byDefault = join(runsFolder(context), `${stamp}-${process.pid}`);
  const dir = out === undefined ? byDefault : resolve(context.cwd, out);
  if ((await namesIn(dir, `--out ${out}`)).length === 0) return dir;
  throw new HarnessError('usage', `--out ${out}: not empty; name a new folder`);
}

/**
 * The error to throw when a run ends early. One that its command line stopped leaves nothing behind: `dir` is of this run
 * alone. One that was interrupted says where it is.
 */
export async function abandonRun(
  failure: unknown,
  dir: string | undefined,
  context: Pick<CommandContext, 'cwd' | 'env'>,
): Promise<unknown> {
  const { cwd } = context;
  if (dir !== undefined && isHarnessError(failure, 'usage', 'config')) {
    // What cannot be removed is a mount point, or was never there.
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
    if (dirname(dir) === runsFolder(context)) await rmdir(dirname(dir)).catch(() => undefined);
  }
  if (dir !== undefined && isHarnessError(failure, 'interrupted')) {
    const kept = `${failure.message}; what is finished is in ${shownPath(dir, cwd)}`;
    return new HarnessError('interrupted', kept, { cause: failure });
  }
  return explainDiskError(failure, dir ?? cwd);
}

/** The error to throw when what has a journal ends early: interrupted, it says how it goes on. */
export function abandonJournal(failure: unknown, dir: string, cwd: string): unknown {
  if (!isHarnessError(failure, 'interrupted')) return explainDiskError(failure, dir);
  const next = `the same command goes on where it was, in ${shownPath(dir, cwd)}`;
  return new HarnessError('interrupted', `${failure.message}; ${next}`, { cause: failure });
}

/** What stands in the folder of a series or bisection before its journal does. */
const beforeJournal = new Set(['lock', eventsFile]);

/**
 * Makes the folder of what goes on where it was, as `what` a bisection or a series, or finds it. Throws `usage` for one that
 * something else is in; whose journal it is, is seen when that is read.
 */
export async function openJournalDirectory(
  dir: string,
  what: 'bisection' | 'series',
): Promise<void> {
  const names = await namesIn(dir, `--out ${dir}`);
  if (names.includes('journal.jsonl') || names.every((name) => beforeJournal.has(name))) return;
  throw new HarnessError('usage', `--out ${dir}: not empty, and no ${what}; name a new folder`);
}

/** What is in a folder, which is made when there is none. `shown` names it in messages. */
async function namesIn(dir: string, shown: string): Promise<readonly string[]> {
  try {
    await makeFolder(dir);
    return await readdir(dir);
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'EEXIST' || error.code === 'ENOTDIR')
    ) {
      throw new HarnessError('usage', `${shown}: not a folder`, { cause: error });
    }
    throw explainDiskError(error, dir);
  }
}

/**
 * Everything of a run directory that is made of the result: a line for each report that could not be made. Commands on its
 * page are those of somebody in `cwd`.
 */
export async function writeReports(run: FinishedRun, cwd: string): Promise<readonly string[]> {
  const { dir, result } = run;
  const locksSvg = drawLocks(result.locks);
  // Its failure is told where it is written; the page can do without.
  const picture = locksSvg.catch(() => null);
  let consoles: ShownConsoles = new Map();
  return writeRecord(dir, { file: 'result.json', value: result }, [
    { file: 'results.tap', make: () => formatKtap(result) },
    { file: 'junit.xml', make: () => formatJunit(result) },
    { file: 'locks.svg', make: async () => locksSvg },
    {
      file: 'trials/*/console-*.html',
      make: async () => {
        consoles = await writeRunConsoles(dir, result);
        return null;
      },
    },
    {
      file: 'report.html',
      make: async () => formatRunAt(run, cwd, { locksSvg: await picture, consoles, beside: true }),
    },
  ]);
}
