import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readIfThere } from '../../host/disk.ts';
import { fileDigest } from '../../host/store.ts';
import { pinConfigs } from '../../kernel/test-kernel.ts';
import { readSeries, type Series } from '../../patch/series.ts';
import type { KernelWork } from './kernel-work.ts';

/** The files and names on a command line of `splat bisect`, without the range. Relative paths start at the folder `cwd`. */
export interface NamedInputs {
  readonly series: readonly string[];
  readonly configs: readonly string[];
  readonly configBase: string | undefined;
  readonly workloads: readonly string[];
}

/**
 * The inputs of a bisection with their files already read. A bisection takes hours, and a user who edits a file meanwhile must not
 * change what the bisection looks for.
 */
export interface PinnedInputs extends Pick<KernelWork, 'series' | 'configs' | 'configBase'> {
  readonly series: readonly Series[];
  /** A JSON value that changes when the content of a file changes. */
  readonly identity: unknown;
}

/** Reads all named inputs. Throws `usage` for a missing file and `config` for a malformed file. */
export async function pinInputs(
  named: NamedInputs,
  options: { readonly cwd: string; readonly signal: AbortSignal },
): Promise<PinnedInputs> {
  const { cwd } = options;
  const series: Series[] = [];
  for (const path of named.series) {
    // `maybeThere`: a commit in the range may already contain these patches.
    series.push({ ...(await readSeries(path, options)), maybeThere: true });
  }
  const { configs, configBase } = await pinConfigs(named, cwd);
  const workloads = await Promise.all(
    named.workloads.map(async (name) => {
      const path = resolve(cwd, name);
      return (await isFile(path)) ? await fileDigest(path) : name;
    }),
  );
  const diffs = series.map(({ patches }) => patches.map(({ diff }) => diff));
  return { series, configs, configBase, identity: [diffs, configs, configBase ?? null, workloads] };
}

async function isFile(path: string): Promise<boolean> {
  return (await readIfThere(stat(path)))?.isFile() === true;
}
