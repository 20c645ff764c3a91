import { constants } from 'node:fs';
import { lstat, open, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { exitCodes, HarnessError, isHarnessError } from '../errors.ts';
import { explainDiskError, writeWhole } from '../host/disk.ts';
import { quoteWord } from '../host/process.ts';
import type { RunResult } from '../plans/run.ts';
import type { RecordedRequest, RunRecord } from '../plans/run-record.ts';
import { readShownRun } from '../plans/shown-run.ts';
import { drawLocks } from '../report/locks-svg.ts';
import { formatRunPage } from '../report/page/run-page.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';
import { guestDefaults } from './run-options.ts';

export interface ReportArguments {
  readonly run: string;
  readonly out: string | undefined;
}

export const command = 'report <run>';
export const describe = "make a run's page for a browser again, or somewhere else";

export function builder(yargs: Argv): Argv<ReportArguments> {
  return yargs
    .positional('run', { type: 'string', demandOption: true, describe: 'a run directory' })
    .option('out', {
      string: true,
      requiresArg: true,
      describe: 'the file to write, one page with everything in it; default RUN/report.html',
    });
}

/** 0, whatever the verdict was: the page is there. */
export async function run(argv: ReportArguments, context: CommandContext): Promise<number> {
  const { cwd } = context;
  const dir = resolve(cwd, argv.run);
  const { record, result } = await readShownRun(dir);
  const file = argv.out === undefined ? join(dir, 'report.html') : resolve(cwd, argv.out);
  await requireFileOrNothing(file, argv.out);
  const beside = dirname(file) === dir;
  const locksSvg = await drawLocks(result.locks);
  const page = await formatRunAt(dir, cwd, { record, result, locksSvg, beside });
  try {
    await writeWhole(file, page);
  } catch (error) {
    throw cannotWrite(error, file, argv.out);
  }
  context.stdout.write(`${plain(relative(cwd, file))}\n`);
  return exitCodes.clean;
}

/** A device, a link or a folder is not to be replaced by a page. */
async function requireFileOrNothing(file: string, out: string | undefined): Promise<void> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined || found.isFile()) return;
  const what = found.isDirectory()
    ? 'a folder'
    : found.isSymbolicLink()
      ? 'a link'
      : 'no plain file';
  throw new HarnessError(
    'usage',
    `${out === undefined ? file : `--out ${out}`}: ${what}; name a file`,
  );
}

function cannotWrite(error: unknown, file: string, out: string | undefined): unknown {
  const cause = isHarnessError(error) ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const why = unwritable.get(code);
  if (out === undefined || why === undefined) return explainDiskError(error, file);
  return new HarnessError('usage', `--out ${out}: ${why}; name a file`, { cause: error });
}

const unwritable: ReadonlyMap<unknown, string> = new Map([
  ['ENOENT', 'no such folder'],
  ['ENOTDIR', 'no such folder'],
  ['EACCES', 'no permission'],
]);

/** The page of a run directory. `beside`: it is put there, and can link to the files in it. */
export async function formatRunAt(
  dir: string,
  cwd: string,
  shown: {
    readonly record: RunRecord;
    readonly result: RunResult;
    readonly locksSvg: string | null;
    readonly beside?: boolean;
  },
): Promise<string> {
  const { record, result, locksSvg, beside = true } = shown;
  const there = new Set(await readdir(join(dir, 'trials')).catch(() => []));
  const folders = new Map<string, readonly string[]>();
  const pictures = new Map<string, Uint8Array>();
  for (const { id } of result.trials) {
    // The verdict is that of the last guest; the first is worth a look.
    const names = [`${id}.again`, id, `${id}.crashed`].filter((name) => there.has(name));
    folders.set(id, names);
    const png = await readPicture(dir, join('trials', names[0] ?? '', 'screen.png'));
    if (png !== undefined) pictures.set(id, png);
  }
  const name = relative(cwd, dir) || '.';
  return formatRunPage({
    run: result,
    name: basename(dir),
    startedAt: record.startedAt,
    command: askedCommand(record.request, result.seed),
    reproduce: (trial) => commandLine(['replay', trial === '' ? name : `${name}/${trial}`]),
    pictures,
    folders,
    locksSvg,
    beside,
  });
}

/** A screen of 640 x 480 is a tenth of this. */
const largestPictureBytes = 2 * 1024 * 1024;
const pngSignature = Buffer.from('89504e470d0a1a0a', 'hex');

/** Undefined when there is none. A run directory may have come from somebody else: no link leads out of it, and no pipe is waited for. */
async function readPicture(dir: string, path: string): Promise<Uint8Array | undefined> {
  try {
    if ((await realpath(join(dir, path))) !== join(await realpath(dir), path)) return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    await using file = await open(join(dir, path), flags);
    const found = await file.stat();
    if (!found.isFile() || found.size > largestPictureBytes) return undefined;
    const bytes = await file.readFile();
    return bytes.subarray(0, pngSignature.length).equals(pngSignature) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The command line of a run, as a person would type it: with every option that is not at its default. Null for a part of
 * another run, which no command line of its own asks for.
 */
function askedCommand(request: RecordedRequest, seed: number): string | null {
  if (request.trials !== null) return null;
  const { durationMs, configBase, baseline, workloadArgs } = request;
  return commandLine([
    'run',
    ...named('kernel', [request.kernel]),
    ...named(
      'series',
      request.series.map(({ name }) => name),
    ),
    ...named(
      'config',
      request.configs.map(({ name }) => name),
    ),
    ...named('config-base', configBase === null ? [] : [configBase.name]),
    ...named(
      'workload',
      request.workloads.map(({ name }) => name),
    ),
    ...named('duration', durationMs === null ? [] : [durationMs / 1000]),
    ...named('accel', request.accel === guestDefaults.accel ? [] : [request.accel]),
    ...named(
      'memory-mib',
      request.memoryMiB === guestDefaults.memoryMib ? [] : [request.memoryMiB],
    ),
    ...named('cpus', request.cpus === guestDefaults.cpus ? [] : [request.cpus]),
    ...named('repeat', request.repeat === 1 ? [] : [request.repeat]),
    ...(request.cold ? ['--cold'] : []),
    ...named('baseline', baseline === null ? [] : [baseline.name]),
    ...named('seed', [seed]),
    ...(workloadArgs.length === 0 ? [] : ['--', ...workloadArgs]),
  ]);
}

function named(name: string, values: readonly (string | number)[]): readonly string[] {
  return values.flatMap((value) => [`--${name}`, String(value)]);
}

function commandLine(words: readonly string[]): string {
  return ['./splat', ...words].map(quoteWord).join(' ');
}
