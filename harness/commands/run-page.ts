import { constants } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { commandLine } from '../host/process.ts';
import { toolchainFlags } from '../kernel/toolchain.ts';
import type { FinishedRun } from '../plans/run/asked-run.ts';
import type { RecordedRequest } from '../records/run-request.ts';
import { formatRunPage, type RunPage } from '../report/page/run-page.ts';
import { guestDefaults, optionWords } from './run-options.ts';

/** The page of a run directory. `beside`: it is put there, and can link to the files in it. */
export async function formatRunAt(
  { dir, record, result }: FinishedRun,
  cwd: string,
  { locksSvg, beside }: Pick<RunPage, 'locksSvg' | 'beside'>,
): Promise<string> {
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
  return formatRunPage({
    run: result,
    name: basename(dir),
    startedAt: record.startedAt,
    command: askedCommand(record.request, result.seed),
    reproduce: (trial) => replayCommand(dir, trial, cwd),
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
  return commandLine('./splat', [
    'run',
    ...optionWords('kernel', request.kernel),
    ...request.series.flatMap(({ name }) => optionWords('series', name)),
    ...request.configs.flatMap(({ name }) => optionWords('config', name)),
    ...optionWords('config-base', configBase?.name),
    ...toolchainFlags(request.toolchain),
    ...request.workloads.flatMap(({ name }) => optionWords('workload', name)),
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

/** The command that runs one trial of a run again, or the whole run for an empty id, as a person in `cwd` would type it. */
export function replayCommand(dir: string, trial: string, cwd: string): string {
  const runDir = relative(cwd, dir) || '.';
  return commandLine('./splat', ['replay', trial === '' ? runDir : `${runDir}/${trial}`]);
}
