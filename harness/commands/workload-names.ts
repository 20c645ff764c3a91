import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere } from '../host/disk.ts';
import { workloads } from '../stress/workloads.ts';
import { toolNames } from '../trial/choose-tools.ts';
import { isOwnProgram, requireWorkloads } from '../trial/choose-workloads.ts';
import { didYouMean } from './nearest.ts';

/**
 * Checks the words of `--workload` without compiling or running anything. Throws `usage` for an unknown workload, with the nearest
 * name, for a path without a file, and for whatever else requireWorkloads() refuses.
 */
export async function requireNamed(names: readonly string[], cwd: string): Promise<void> {
  for (const name of names.filter(isOwnProgram)) {
    if ((await readIfThere(stat(resolve(cwd, name)))) !== undefined) continue;
    throw new HarnessError('usage', `--workload ${name}: ${whatIsMissing(name)}`);
  }
  await requireWorkloads(names, cwd);
}

function whatIsMissing(name: string): string {
  if (name.includes('/') || name.endsWith('.c')) return 'no such file';
  const known = [...workloads.map((one) => one.name), ...toolNames, 'igt'];
  const hint = didYouMean(name, known);
  return hint === ''
    ? 'no such workload; splat help workloads lists them'
    : `no such workload${hint} (splat help workloads)`;
}
