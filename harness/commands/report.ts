import { lstat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { counted } from '../counted.ts';
import { exitCodes, HarnessError, isHarnessError } from '../errors.ts';
import { explainDiskError, readIfThere, writeWhole } from '../host/disk.ts';
import { findTrial } from '../plans/run/replay.ts';
import { readRun } from '../plans/run/run-record.ts';
import { drawLocks } from '../report/locks-svg.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';
import { holdsNights, isThere, reportNight, reportNights } from './report-night.ts';
import { formatRunAt, writeRunConsoles } from './run-page.ts';
import { shownPath } from './runs-folder.ts';
import { readStoppedRun } from './stopped-run.ts';

export interface ReportArguments {
  readonly run: string;
  readonly out: string | undefined;
}

export const command = 'report <run>';

export function builder(yargs: Argv): Argv<ReportArguments> {
  return yargs
    .positional('run', {
      type: 'string',
      demandOption: true,
      describe:
        'a run directory, or RUN/TRIAL or RUN/trials/TRIAL for the page of its run; the folder of one night, or the parent folder of several nights',
    })
    .option('out', {
      string: true,
      requiresArg: true,
      describe:
        'for a run only: the file to write; default RUN/report.html, with pages of its consoles',
    });
}

/** The largest result.json that is shown, which has some 2,000 trials. A browser would be slow with more trials. */
const largestShownBytes = 16 * 1024 * 1024;

/** Writes the page of a run, of a night, or of a folder of nights. Returns 0, whatever the verdict is. */
export async function run(argv: ReportArguments, context: CommandContext): Promise<number> {
  const { cwd } = context;
  const named = resolve(cwd, argv.run);
  const isNight = await isThere(join(named, 'night.json'));
  if (isNight || (await holdsNights(named))) {
    if (argv.out !== undefined) {
      throw new HarnessError(
        'usage',
        '--out is only valid for a run; the pages of a night are written into its folder',
      );
    }
    const file = isNight ? await reportNight(named, cwd) : await reportNights(named, cwd);
    context.stdout.write(`${plain(relative(cwd, file))}\n`);
    return exitCodes.clean;
  }
  const isRun = await isThere(join(named, 'run.json'));
  const dir = isRun ? named : ((await findTrial(named))?.dir ?? named);
  await requireFinished(dir, shownPath(dir, cwd));
  const shown = await readRun(dir, largestShownBytes);
  const file = argv.out === undefined ? join(dir, 'report.html') : resolve(cwd, argv.out);
  await requireFileOrNothing(file, argv.out);
  const beside = dirname(file) === dir;
  const locksSvg = await drawLocks(shown.result.locks);
  try {
    const consoles = beside ? await writeRunConsoles(dir, shown.result) : new Map();
    const page = await formatRunAt({ dir, ...shown }, context, { locksSvg, consoles, beside });
    await writeWhole(file, page);
  } catch (error) {
    throw cannotWrite(error, file, argv.out);
  }
  context.stdout.write(`${plain(relative(cwd, file))}\n`);
  return exitCodes.clean;
}

/** Throws `usage` for the folder of a run without a result. The message says what the folder has. */
async function requireFinished(dir: string, shown: string): Promise<void> {
  const stopped = await readStoppedRun(dir);
  if (stopped === undefined) return;
  const trials = counted(stopped.ended, 'trial');
  throw new HarnessError(
    'usage',
    `${shown}: this run has no result, because it was stopped or still goes on; ${trials} ended, with consoles in ${join(shown, 'trials')}`,
    { output: `\n${stopped.text}` },
  );
}

/** Throws `usage` when the page would replace a device, a link or a folder. */
async function requireFileOrNothing(file: string, out: string | undefined): Promise<void> {
  const found = await readIfThere(lstat(file));
  if (found === undefined || found.isFile()) return;
  const what = found.isDirectory()
    ? 'a folder'
    : found.isSymbolicLink()
      ? 'a link'
      : 'not a regular file';
  throw new HarnessError(
    'usage',
    `${out === undefined ? file : `--out ${out}`}: ${what}; name another file with --out`,
  );
}

function cannotWrite(error: unknown, file: string, out: string | undefined): unknown {
  const cause = isHarnessError(error) ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const why = unwritable.get(code);
  if (out === undefined || why === undefined) return explainDiskError(error, file);
  return new HarnessError('usage', `--out ${out}: ${why}; name another file`, { cause: error });
}

const unwritable: ReadonlyMap<unknown, string> = new Map([
  ['ENOENT', 'no such folder'],
  ['ENOTDIR', 'no such folder'],
  ['EACCES', 'no permission'],
]);
