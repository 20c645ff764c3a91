import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { makeFolder, readIfThere } from '../../host/disk.ts';
import { readSeries } from '../../patch/series.ts';
import type { Kept, RecordedRequest } from '../../records/run-request.ts';
import { isIgtName } from '../../trial/choose-igt.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { copyLockOrder } from '../../trial/lock-record.ts';

/** `splat run` as it was asked for, with all names resolved as far as that needs no kernel. */
export interface AskedRun
  extends Omit<
    RecordedRequest,
    | 'series'
    | 'configs'
    | 'configBase'
    | 'workloads'
    | 'baseline'
    | 'durationMs'
    | 'trials'
    | 'igt'
    | 'igtExpect'
  > {
  readonly series: readonly string[];
  readonly configs: readonly string[];
  readonly configBase: string | undefined;
  readonly workloads: readonly string[];
  /** RUN of --baseline. */
  readonly baseline: string | undefined;
  /** A build of IGT of the user's; absent: Debian's. */
  readonly igt?: string;
  /** A folder of what is expected of its tests; absent: ours. */
  readonly igtExpect?: string;
  readonly durationMs: number | undefined;
  readonly trials: readonly string[] | undefined;
}

/** Copies everything of the user's that a run reads into `inputs/` of its directory; what is left out is ours. */
export async function keepInputs(
  asked: AskedRun,
  found: { readonly workloads: readonly ChosenWorkload[]; readonly baselineFile?: string },
  options: { readonly dir: string; readonly signal: AbortSignal },
): Promise<RecordedRequest> {
  const { dir } = options;
  const { cwd } = asked;
  const series: Kept[] = [];
  for (const [at, name] of asked.series.entries()) {
    series.push({ name, copy: await keepSeries(name, `inputs/series-${at + 1}`, cwd, options) });
  }
  const configs: Kept[] = [];
  for (const [at, name] of asked.configs.entries()) {
    const path = resolve(cwd, name);
    const isFile = (await readIfThere(stat(path)))?.isFile() === true;
    configs.push({
      name,
      copy: isFile ? await keepFile(path, `inputs/config-${at + 1}`, dir) : null,
    });
  }
  const { igt, igtExpect, ...rest } = asked;
  return {
    ...rest,
    ...(igt === undefined ? {} : { igt: resolve(cwd, igt) }),
    ...(igtExpect === undefined ? {} : { igtExpect: await keepFolder(igtExpect, cwd, dir) }),
    series,
    configs,
    configBase: await keepOptional(asked.configBase, cwd, 'inputs/config-base', dir),
    workloads: await keepWorkloads(asked, found.workloads, dir),
    baseline:
      found.baselineFile === undefined || asked.baseline === undefined
        ? null
        : {
            name: asked.baseline,
            copy: await keepBaseline(found.baselineFile, dir),
          },
    durationMs: asked.durationMs ?? null,
    trials: asked.trials ?? null,
  };
}

async function keepOptional(
  name: string | undefined,
  cwd: string,
  folder: string,
  dir: string,
): Promise<Kept | null> {
  if (name === undefined) return null;
  return { name, copy: await keepFile(resolve(cwd, name), folder, dir) };
}

/** The files of a folder of expectations. */
async function keepFolder(name: string, cwd: string, dir: string): Promise<Kept> {
  const copy = 'inputs/igt-expect';
  const files = (await readdir(resolve(cwd, name))).filter((file) => file.endsWith('.txt'));
  for (const file of files) await keepFile(resolve(cwd, name, file), copy, dir);
  return { name, copy };
}

/** Its result, and what it learned of lock order where it kept that. */
async function keepBaseline(file: string, dir: string): Promise<string> {
  const folder = 'inputs/baseline';
  const copy = await keepFile(file, folder, dir);
  await copyLockOrder(file, join(dir, folder));
  return copy;
}

async function keepFile(path: string, folder: string, dir: string): Promise<string> {
  const copy = join(folder, plainName(path));
  await makeFolder(join(dir, folder));
  await copyFile(path, join(dir, copy));
  return copy;
}

/** A file name that is hidden nowhere and leads nowhere. */
function plainName(path: string): string {
  return basename(path).replace(/^\.+/, '_');
}

/** The files patches come from, in their order; of a folder only these, of a range of commits a diff each. */
async function keepSeries(
  name: string,
  folder: string,
  cwd: string,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<string> {
  const { patches, listed } = await readSeries(name, { cwd, signal });
  const files = [...new Set(patches.map(({ file }) => file))];
  const [only = ''] = files;
  const isFile = (await readIfThere(stat(only)))?.isFile() === true;
  if (isFile && files.length === 1 && only === resolve(cwd, name)) {
    return keepFile(only, folder, dir);
  }
  const kept = isFile
    ? await Promise.all(files.map(async (file) => [copyName(file), await readFile(file)] as const))
    : patches.map(({ diff }) => ['commit.patch', Buffer.from(diff, 'latin1')] as const);
  await makeFolder(join(dir, folder));
  const names: string[] = [];
  for (const [at, [own, bytes]] of kept.entries()) {
    const copy = `${String(at + 1).padStart(4, '0')}-${own}`;
    await writeFile(join(dir, folder, copy), bytes);
    names.push(copy);
  }
  // Without it a folder of mails is a thread.
  if (listed === true) await writeFile(join(dir, folder, 'series'), `${names.join('\n')}\n`);
  return folder;
}

/** A name that a folder of patches and a quilt series may hold. */
function copyName(file: string): string {
  const ending = file.endsWith('.gz') ? '.patch.gz' : '.patch';
  return `${plainName(file).replaceAll(/[\s#]/g, '_')}${ending}`;
}

/** Of the user's own programs what was run: a .c file is kept beside it, as its source. */
async function keepWorkloads(
  { workloads, cwd }: AskedRun,
  chosen: readonly ChosenWorkload[],
  dir: string,
): Promise<readonly Kept[]> {
  const own = chosen.filter(({ upload }) => upload !== undefined);
  const kept: Kept[] = [];
  for (const name of workloads) {
    const mine = own[0];
    const isOurs =
      isIgtName(name) ||
      chosen.some(({ workload, upload }) => upload === undefined && workload.name === name);
    if (isOurs) {
      kept.push({ name, copy: null });
    } else if (mine?.upload !== undefined) {
      own.shift();
      const folder = join('inputs', `workload-${kept.length + 1}`);
      const copy = join(folder, mine.workload.name);
      await makeFolder(join(dir, folder));
      if (name.endsWith('.c')) await keepFile(resolve(cwd, name), folder, dir);
      await writeFile(join(dir, copy), mine.upload, { mode: 0o755 });
      kept.push({ name, copy });
    }
  }
  return kept;
}

/** The request of a run directory, with every path one into the directory itself. */
export function askAgain(dir: string, recorded: RecordedRequest): AskedRun {
  const path = ({ name, copy }: Kept): string => (copy === null ? name : resolve(dir, copy));
  const { igtExpect, ...rest } = recorded;
  return {
    ...rest,
    ...(igtExpect === undefined ? {} : { igtExpect: path(igtExpect) }),
    series: recorded.series.map(path),
    configs: recorded.configs.map(path),
    configBase: recorded.configBase === null ? undefined : path(recorded.configBase),
    workloads: recorded.workloads.map(path),
    baseline: recorded.baseline === null ? undefined : path(recorded.baseline),
    durationMs: recorded.durationMs ?? undefined,
    trials: recorded.trials ?? undefined,
  };
}
