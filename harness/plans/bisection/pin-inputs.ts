import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { readIfThere } from '../../host/disk.ts';
import { fileDigest } from '../../host/store.ts';
import { type Fragment, parseFragment } from '../../kernel/fragment.ts';
import { readConfigBase } from '../../kernel/test-kernel.ts';
import { readSeries, type Series } from '../../patch/series.ts';
import type { KernelWork } from './kernel-work.ts';

/** What a command line names besides the range. Relative paths are relative to `cwd`. */
export interface NamedInputs {
  readonly series: readonly string[];
  readonly configs: readonly string[];
  readonly configBase: string | undefined;
  readonly workloads: readonly string[];
}

/** The same, read once: a bisection takes hours, and a file that is edited meanwhile would mix two questions. */
export interface PinnedInputs extends Pick<KernelWork, 'series' | 'configs' | 'configBase'> {
  readonly series: readonly Series[];
  /** JSON that differs when the content of a file does. */
  readonly identity: unknown;
}

/** Reads everything that is named. Throws `usage` for what is not there, `config` for what is malformed. */
export async function pinInputs(
  named: NamedInputs,
  options: { readonly cwd: string; readonly signal: AbortSignal },
): Promise<PinnedInputs> {
  const { cwd } = options;
  const series: Series[] = [];
  for (const path of named.series) {
    // Commits after the one that brought them have the patches already.
    series.push({ ...(await readSeries(path, options)), maybeThere: true });
  }
  const configs = await Promise.all(named.configs.map(async (name) => pinFragment(name, cwd)));
  const configBase =
    named.configBase === undefined ? undefined : await readConfigBase(named.configBase, cwd);
  const workloads = await Promise.all(
    named.workloads.map(async (name) => {
      const path = resolve(cwd, name);
      return (await isFile(path)) ? await fileDigest(path) : name;
    }),
  );
  const diffs = series.map(({ patches }) => patches.map(({ diff }) => diff));
  return { series, configs, configBase, identity: [diffs, configs, configBase ?? null, workloads] };
}

/** One of our optional fragments stays a name. */
async function pinFragment(name: string, cwd: string): Promise<string | Fragment> {
  const path = resolve(cwd, name);
  if (!(await isFile(path))) return name;
  return parseFragment(await readFile(path, 'utf8'), basename(path));
}

async function isFile(path: string): Promise<boolean> {
  return (await readIfThere(stat(path)))?.isFile() === true;
}
