import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { defaultGpu } from '../guest/devices.ts';
import { defaultGuest } from '../guest/recipes.ts';
import { typedCommand } from '../host/package-root.ts';
import { commandLine } from '../host/process.ts';
import { toolchainFlags } from '../kernel/toolchain.ts';
import type { FinishedRun } from '../plans/run/requested-run.ts';
import type { RecordedRequest } from '../records/run-request.ts';
import type { RunResult } from '../records/run-result.ts';
import { formatRunPage } from '../report/page/run-page.ts';
import type { RunPageInput } from '../report/page/run-page-input.ts';
import { guestFolders } from '../trial/runner.ts';
import { type ShownConsoles, writeConsolePages } from './console-pages.ts';
import type { CommandContext } from './context.ts';
import { openInside } from './inside-file.ts';
import { guestDefaults, optionWords } from './run-options.ts';
import { seenByNights } from './run-since.ts';
import { shownPath } from './runs-folder.ts';

/** The folders of each trial below `trials`. The first folder belongs to the try that decided the trial's verdict. */
type TrialFolders = RunPageInput['folders'];

/** Finds the folders of the trials in a run directory, in the order of guestFolders(). */
export async function findTrialFolders(dir: string, { trials }: RunResult): Promise<TrialFolders> {
  const there = new Set(await readdir(join(dir, 'trials')).catch(() => []));
  const namesOf = (id: string): readonly string[] =>
    guestFolders(id).filter((name) => there.has(name));
  return new Map(trials.map(({ id }) => [id, namesOf(id)]));
}

/** Writes all consoles of a run as pages. */
export async function writeRunConsoles(dir: string, result: RunResult): Promise<ShownConsoles> {
  const folders = await findTrialFolders(dir, result);
  const consoles = result.trials.flatMap(({ id, splats }) =>
    (folders.get(id) ?? []).map((folder, at) => ({
      folder,
      marks: at === 0 ? splats.filter(({ line }) => line > 0) : [],
    })),
  );
  return writeConsolePages(dir, consoles);
}

/**
 * Returns the HTML page of a run directory. `beside` is true when the page lies in that directory, so that it can link to the
 * run's files.
 */
export async function formatRunAt(
  { dir, record, result }: FinishedRun,
  context: Pick<CommandContext, 'cwd' | 'env'>,
  { locksSvg, consoles, beside }: Pick<RunPageInput, 'locksSvg' | 'consoles' | 'beside'>,
): Promise<string> {
  const folders = await findTrialFolders(dir, result);
  const pictures = new Map<string, Uint8Array>();
  for (const [id, [first = '']] of folders) {
    const png = await readPicture(dir, join('trials', first, 'screen.png'));
    if (png !== undefined) pictures.set(id, png);
  }
  return formatRunPage({
    run: result,
    name: basename(dir),
    startedAt: record.startedAt,
    command: askedCommand(record.request, result.seed),
    cwd: record.request.cwd,
    series: record.request.series.map(({ name }) => name),
    reproduce: (trial) => replayCommand(dir, trial, context.cwd),
    pictures,
    folders,
    consoles,
    locksSvg,
    seen: await seenByNights(result, context),
    beside,
  });
}

/** The largest picture that is read: ten times the size of a 640 x 480 screenshot. */
const largestPictureBytes = 2 * 1024 * 1024;
const pngSignature = Buffer.from('89504e470d0a1a0a', 'hex');

/** Reads a picture of a run directory. Returns undefined when the picture is missing, too large or no PNG. */
export async function readPicture(dir: string, path: string): Promise<Uint8Array | undefined> {
  await using file = await openInside(dir, path);
  if (file === undefined || (await file.stat()).size > largestPictureBytes) return undefined;
  const bytes = await file.readFile();
  return bytes.subarray(0, pngSignature.length).equals(pngSignature) ? bytes : undefined;
}

/**
 * Returns the command line of a run: --seed, and the other options that differ from their defaults. Returns null for a replay of
 * single trials, which no such command line could repeat.
 */
export function askedCommand(request: RecordedRequest, seed: number): string | null {
  if (request.trials !== null) return null;
  const { durationMs, configBase, baseline, workloadArgs } = request;
  return commandLine(typedCommand(), [
    'run',
    ...optionWords('kernel', request.kernel),
    ...request.series.flatMap(({ name }) => optionWords('series', name)),
    ...request.configs.flatMap(({ name }) => optionWords('config', name)),
    ...optionWords('config-base', configBase?.name),
    ...toolchainFlags(request.toolchain),
    ...(request.modules ?? []).flatMap(({ name }) => optionWords('module', name)),
    ...request.workloads.flatMap(({ name }) => optionWords('workload', name)),
    ...optionWords('guest', request.guest, defaultGuest),
    ...optionWords('packages', request.packages?.join(',')),
    ...optionWords('gpu', request.gpu, defaultGpu.name),
    ...(request.quick === true ? ['--quick'] : []),
    ...(request.coverage === true ? ['--coverage'] : []),
    ...optionWords('igt', request.igt),
    ...optionWords('igt-expect', request.igtExpect?.name),
    ...optionWords('duration', durationMs === null ? undefined : durationMs / 1000),
    ...optionWords('accel', request.accel, guestDefaults.accel),
    ...optionWords('memory-mib', request.memoryMiB, guestDefaults.memoryMib),
    ...optionWords('cpus', request.cpus, guestDefaults.cpus),
    ...optionWords('repeat', request.repeat, 1),
    ...(request.cold ? ['--cold'] : []),
    ...optionWords('baseline', baseline?.name),
    ...optionWords('seed', seed),
    ...(workloadArgs.length === 0 ? [] : ['--', ...workloadArgs]),
  ]);
}

/**
 * Returns the command that replays one trial, or the whole run for an empty id. Paths in the command are for a person in the
 * folder `cwd`.
 */
export function replayCommand(dir: string, trial: string, cwd: string): string {
  const runDir = shownPath(dir, cwd);
  return commandLine(typedCommand(), ['replay', trial === '' ? runDir : `${runDir}/${trial}`]);
}
