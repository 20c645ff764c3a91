import { resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { findBase } from '../patch/find-base.ts';
import { parseSeries, readSeries } from '../patch/series.ts';
import type { SeriesArguments } from './series-options.ts';

/**
 * Chooses the base of a series: the kernel of --base, or the commit of --tree on which the series was made. Throws `usage` when
 * neither or both are given, and when the tree has no such commit.
 */
export async function chooseBase(
  { base, tree }: SeriesArguments,
  options: {
    readonly cwd: string;
    readonly signal: AbortSignal;
    readonly emit: Emit;
    readonly path: string;
    readonly stdin: Buffer | undefined;
  },
): Promise<string> {
  if (base !== undefined && tree === undefined) return base;
  if (base !== undefined)
    throw new HarnessError('usage', '--base and --tree: give only one of them');
  if (tree === undefined) {
    throw new HarnessError(
      'usage',
      'series needs --base KERNEL, or --tree DIR in which the base can be found',
    );
  }
  const { cwd, signal, emit, path, stdin } = options;
  const series =
    stdin === undefined
      ? await readSeries(path, { cwd, signal })
      : await parseSeries(stdin, path, { signal });
  const { commit, because } = await findBase(series, resolve(cwd, tree), signal);
  emit({ kind: 'note', text: `base ${tree}@${commit.slice(0, 12)}: ${because}` });
  return `${tree}@${commit}`;
}
