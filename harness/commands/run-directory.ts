import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { explainDiskError, makeFolder } from '../host/disk.ts';
import type { FinishedRun } from '../plans/run/requested-run.ts';
import { formatJunit } from '../report/junit.ts';
import { formatKtap } from '../report/ktap.ts';
import { drawLocks } from '../report/locks-svg.ts';
import type { ShownConsoles } from './console-pages.ts';
import type { CommandContext } from './context.ts';
import { eventsFile } from './run-events.ts';
import { formatRunAt, writeRunConsoles } from './run-page.ts';
import { runsFolder, shownPath } from './runs-folder.ts';
import { readStoppedRun } from './stopped-run.ts';
import { writeRecord } from './write-record.ts';

/**
 * Opens the folder for a run. The folder must be new or empty, so that no file of another run is mistaken for a file of this run.
 * Throws `usage` for a folder that is not empty, and for a path that is no folder.
 */
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
  const shown = out === undefined ? byDefault : `--out ${out}`;
  if ((await namesIn(dir, shown)).length === 0) return dir;
  const next = out === undefined ? 'name a new folder with --out' : 'name a new folder';
  throw new HarnessError('usage', `${shown}: not empty; ${next}`);
}

/**
 * Returns the error for a run that ends early. When the command line is at fault, the run's folder `dir` is removed. When the run
 * was interrupted, the error names this folder and contains the table of the finished trials.
 */
export async function abandonRun(
  failure: unknown,
  dir: string | undefined,
  context: Pick<CommandContext, 'cwd' | 'env'>,
): Promise<unknown> {
  const { cwd } = context;
  if (dir !== undefined && isHarnessError(failure, 'usage', 'config')) {
    // A folder that cannot be removed is a mount point or does not exist.
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
    if (dirname(dir) === runsFolder(context)) await rmdir(dirname(dir)).catch(() => undefined);
  }
  if (dir !== undefined && isHarnessError(failure, 'interrupted')) {
    const kept = `${failure.message}; finished trials are in ${shownPath(dir, cwd)}`;
    const stopped = await readStoppedRun(dir).catch(() => undefined);
    const output = stopped === undefined ? {} : { output: `\n${stopped.text}` };
    return new HarnessError('interrupted', kept, { cause: failure, ...output });
  }
  return explainDiskError(failure, dir ?? cwd);
}

/**
 * Returns the error for a series or bisection that ends early. After an interrupt, the error names the command that continues the
 * series or bisection.
 */
export function abandonJournal(failure: unknown, dir: string, cwd: string): unknown {
  if (!isHarnessError(failure, 'interrupted')) return explainDiskError(failure, dir);
  const next = `the same command continues in ${shownPath(dir, cwd)}`;
  return new HarnessError('interrupted', `${failure.message}; ${next}`, { cause: failure });
}

/** Files that the folder of a series or bisection may have before it has a journal. */
const beforeJournal = new Set(['lock', eventsFile]);

/**
 * Makes the folder for a series or bisection, or opens the folder of an earlier series or bisection, which is then continued.
 * Throws `usage` for a folder with other content. The journal is checked later, when it is read.
 */
export async function openJournalDirectory(
  dir: string,
  what: 'bisection' | 'series',
): Promise<void> {
  const names = await namesIn(dir, `--out ${dir}`);
  if (names.includes('journal.jsonl') || names.every((name) => beforeJournal.has(name))) return;
  throw new HarnessError(
    'usage',
    `--out ${dir}: not empty, and it holds no ${what}; name a new folder`,
  );
}

/** Returns the names in a folder, and makes the folder if needed. `shown` names the folder in messages. */
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
 * Writes result.json, which is the result itself, and the files that are derived from the result, such as report.html. Returns one
 * line for each derived file that could not be written. Throws when result.json cannot be written. In the `splat replay` commands
 * that report.html shows, the path of the run is relative to the folder `context.cwd`.
 */
export async function writeReports(
  run: FinishedRun,
  context: Pick<CommandContext, 'cwd' | 'env'>,
): Promise<readonly string[]> {
  const { dir, result } = run;
  const locksSvg = drawLocks(result.locks);
  // The code that writes the picture reports a failure to draw. The page works without the picture.
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
      make: async () =>
        formatRunAt(run, context, { locksSvg: await picture, consoles, beside: true }),
    },
  ]);
}
