import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
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
  const dir = resolve(context.cwd, argv.run);
  const shown = await readShownRun(dir);
  const file = argv.out === undefined ? join(dir, 'report.html') : resolve(context.cwd, argv.out);
  const beside = dirname(file) === dir;
  const page = await formatRunAt(dir, shown, await drawLocks(shown.result.locks), { beside });
  try {
    await writeWhole(file, page);
  } catch (error) {
    throw cannotWrite(error, file, argv.out);
  }
  context.stdout.write(`${plain(relative(context.cwd, file))}\n`);
  return exitCodes.clean;
}

function cannotWrite(error: unknown, file: string, out: string | undefined): unknown {
  const cause = isHarnessError(error) ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const why = unwritable.get(code);
  if (out === undefined || why === undefined) return explainDiskError(error, file);
  return new HarnessError('usage', `--out ${out}: ${why}; name a file`, { cause: error });
}

const unwritable: ReadonlyMap<unknown, string> = new Map([
  ['EISDIR', 'a folder'],
  ['ENOENT', 'no such folder'],
  ['ENOTDIR', 'no such folder'],
  ['EACCES', 'no permission'],
]);

/** The page of a run directory. `beside`: it is put there, and can link to the files in it. */
export async function formatRunAt(
  dir: string,
  { record, result }: { readonly record: RunRecord; readonly result: RunResult },
  locksSvg: string | null,
  { beside }: { readonly beside: boolean } = { beside: true },
): Promise<string> {
  const name = basename(dir);
  const pictures = new Map<string, Uint8Array>();
  for (const { id } of result.trials) {
    const png = await readPicture(join(dir, 'trials', basename(id), 'screen.png'));
    if (png !== undefined) pictures.set(id, png);
  }
  return formatRunPage({
    run: result,
    name,
    startedAt: record.startedAt,
    command: askedCommand(record.request, result.seed),
    reproduce: (trial) => commandLine(['replay', trial === '' ? name : `${name}/${trial}`]),
    pictures,
    locksSvg,
    beside,
  });
}

/** A screen of 640 x 480 is a tenth of this. */
const largestPictureBytes = 2 * 1024 * 1024;
const pngSignature = Buffer.from('89504e470d0a1a0a', 'hex');

/** Undefined when there is none. A run directory may have come from somebody else: a link in it is not followed. */
async function readPicture(path: string): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
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
