import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { makeFolder, readIfThere } from '../../host/disk.ts';
import { runTool } from '../../host/process.ts';
import { readSeries } from '../../patch/series.ts';
import type { Kept, RecordedRequest } from '../../records/run-request.ts';
import { isForeignName } from '../../trial/choose-workloads.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { copyLockOrder } from '../../trial/lock-record.ts';

/** The options of `splat run`. Kernels, series, configurations, modules and workloads are still names or paths. */
export interface RequestedRun
  extends Omit<
    RecordedRequest,
    | 'series'
    | 'configs'
    | 'configBase'
    | 'workloads'
    | 'baseline'
    | 'durationMs'
    | 'trials'
    | 'modules'
    | 'igt'
    | 'igtExpect'
  > {
  readonly series: readonly string[];
  readonly configs: readonly string[];
  readonly configBase: string | undefined;
  /** The values of --module; absent for none. */
  readonly modules?: readonly string[];
  readonly workloads: readonly string[];
  /** The value of --baseline; undefined when the flag was not given. */
  readonly baseline: string | undefined;
  /** The folder of the user's build of IGT; absent: Debian's package. */
  readonly igt?: string;
  /** The folder of --igt-expect with the expected results of IGT's tests; absent: splat's folder. */
  readonly igtExpect?: string;
  readonly durationMs: number | undefined;
  readonly trials: readonly string[] | undefined;
}

/**
 * Copies the user's files that a run reads into `inputs/` of the run's folder. Returns the options as run.json records them. Not
 * copied are files that come with splat, the kernel's source, and the user's build of IGT.
 */
export async function keepInputs(
  asked: RequestedRun,
  found: {
    readonly workloads: readonly ChosenWorkload[];
    readonly baselineFile?: string;
    /** For each `--module`: the path of the copy of its folder in the cache. Undefined for a module that was given by name. */
    readonly modules?: readonly (string | undefined)[];
  },
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
  const { igt, igtExpect, modules: named = [], ...rest } = asked;
  const modules: Kept[] = [];
  for (const [at, name] of named.entries()) {
    modules.push({
      name,
      copy: await keepModule(found.modules?.[at], `inputs/module-${at + 1}`, name, options),
    });
  }
  return {
    ...rest,
    ...(modules.length === 0 ? {} : { modules }),
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

/**
 * Copies the sources of a module into the run's folder and returns the copy's path in there; null for a module of
 * the kernel's tree.
 */
async function keepModule(
  tree: string | undefined,
  folder: string,
  name: string,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<string | null> {
  if (tree === undefined) return null;
  const copy = join(folder, plainName(name));
  await makeFolder(join(dir, folder));
  await runTool('cp', ['--recursive', '--no-dereference', '--', tree, join(dir, copy)], { signal });
  return copy;
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

/** Copies the .txt files with the expected results of IGT's tests into the folder of the run. */
async function keepFolder(name: string, cwd: string, dir: string): Promise<Kept> {
  const copy = 'inputs/igt-expect';
  const files = (await readdir(resolve(cwd, name))).filter((file) => file.endsWith('.txt'));
  for (const file of files) await keepFile(resolve(cwd, name, file), copy, dir);
  return { name, copy };
}

/** Copies the result of the baseline run and, if recorded, the lock order of that run. */
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

/** The base name of a path as a safe file name: it neither starts with a dot nor leaves its folder. */
function plainName(path: string): string {
  return basename(path).replace(/^\.+/, '_');
}

/**
 * Copies the patches of a series into the folder of the run, in their order. Of a folder only the patch files are copied. A range
 * of commits becomes a diff for each commit.
 */
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
  // The file `series` fixes the order. Without it, a folder of mails would be read as a thread.
  if (listed === true) await writeFile(join(dir, folder, 'series'), `${names.join('\n')}\n`);
  return folder;
}

/** A file name that is valid in a folder of patches and in a quilt series file. */
function copyName(file: string): string {
  const ending = file.endsWith('.gz') ? '.patch.gz' : '.patch';
  return `${plainName(file).replaceAll(/[\s#]/g, '_')}${ending}`;
}

/**
 * Copies the user's programs that ran as workloads. A .c file is copied, too, beside its program. Other workloads have no copy.
 */
async function keepWorkloads(
  { workloads, cwd }: RequestedRun,
  chosen: readonly ChosenWorkload[],
  dir: string,
): Promise<readonly Kept[]> {
  const own = chosen.filter(({ upload }) => upload !== undefined);
  const kept: Kept[] = [];
  for (const name of workloads) {
    const mine = own[0];
    const isOurs =
      isForeignName(name) ||
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

/** The options of a recorded run, ready to run again: each path of a copied file leads to the copy in the run's folder. */
export function askAgain(dir: string, recorded: RecordedRequest): RequestedRun {
  const path = ({ name, copy }: Kept): string => (copy === null ? name : resolve(dir, copy));
  const { igtExpect, modules, ...rest } = recorded;
  return {
    ...rest,
    ...(modules === undefined ? {} : { modules: modules.map(path) }),
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
