import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import { kernelForms } from '../../kernel/source.ts';
import { pinConfigs } from '../../kernel/test-kernel.ts';
import type { ReadMatrix } from '../../night/matrix.ts';
import { readSeries } from '../../patch/series.ts';
import { isKselftestName } from '../../trial/choose-kselftest.ts';
import { isKunitName } from '../../trial/choose-kunit.ts';
import { requireWorkloads } from '../../trial/choose-workloads.ts';
import { isIgtName } from '../../trial/igt-name.ts';

/**
 * Checks everything that a matrix names, before anything is built. Throws `config`, with the place in the matrix, for what does
 * not exist, cannot be read or cannot be run in a night.
 */
export async function requireInputs(
  { value, placeOf }: ReadMatrix,
  { cwd, signal }: { readonly cwd: string; readonly signal: AbortSignal },
): Promise<void> {
  const look = async (
    path: readonly (string | number)[],
    words: string | readonly string[],
    check: (name: string) => Promise<unknown>,
  ): Promise<void> => {
    for (const name of [words].flat()) {
      try {
        await check(name);
      } catch (error) {
        if (!isHarnessError(error, 'usage', 'config')) throw error;
        throw new HarnessError('config', `${placeOf(path)}: ${error.message}`, { cause: error });
      }
    }
  };
  const config = async (name: string) =>
    pinConfigs({ configs: [name], configBase: undefined }, cwd);
  const series = async (name: string) =>
    readSeries(name, { cwd, signal, baseVersion: async () => '0.0' });
  const workload = async (name: string) => {
    if (isIgtName(name) || isKunitName(name) || isKselftestName(name)) {
      throw new HarnessError(
        'usage',
        `${name}: a night cannot run tests of IGT or of the kernel yet; splat run can`,
      );
    }
    await requireWorkloads([name], cwd);
  };
  const kernel = async (name: string) => requireKernelName(name, cwd);
  for (const [at, name] of value.kernels.entries()) await look(['kernels', at], name, kernel);
  for (const [at, one] of (value.configs ?? []).entries()) await look(['configs', at], one, config);
  for (const [at, one] of (value.series ?? []).entries()) await look(['series', at], one, series);
  for (const [at, one] of (value.workloads ?? []).entries()) {
    await look(['workloads', at], one, workload);
  }
  for (const [at, one] of (value.include ?? []).entries()) {
    await look(['include', at, 'kernel'], one.kernel ?? [], kernel);
    await look(['include', at, 'config'], one.config ?? [], config);
    await look(['include', at, 'series'], one.series ?? [], series);
    await look(['include', at, 'workload'], one.workload ?? [], workload);
  }
  const { configBase } = value;
  if (configBase === undefined) return;
  await look(['configBase'], configBase, async (name) =>
    pinConfigs({ configs: [], configBase: name }, cwd),
  );
}

/**
 * Throws `usage` when the folder or tarball of a kernel does not exist. A missing revision or Debian version is no error here:
 * the build of the kernel reports it, because branches come and go.
 */
async function requireKernelName(name: string, cwd: string): Promise<void> {
  if (name.startsWith('debian:')) return;
  if ((await readIfThere(stat(resolve(cwd, name)))) !== undefined) return;
  const dir = name.slice(0, Math.max(0, name.lastIndexOf('@')));
  if (dir !== '' && (await readIfThere(stat(resolve(cwd, dir))))?.isDirectory() === true) return;
  throw new HarnessError(
    'usage',
    `${name}: no such directory or tarball; a kernel is ${kernelForms}`,
  );
}
