import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { readIfThere } from '../../host/disk.ts';
import { readRegular } from '../../host/regular-file.ts';
import { fileDigest, valueDigest } from '../../host/store.ts';
import { pinDebian } from '../../kernel/debian-source.ts';
import { pinConfigs } from '../../kernel/test-kernel.ts';
import { describeWorkingTree } from '../../kernel/working-tree.ts';
import type { NamedCell } from '../../night/cells.ts';
import { readSeries } from '../../patch/series.ts';
import type { NightPlanRecord, PlanInput } from '../../records/night-plan.ts';
import { workloads } from '../../stress/workloads.ts';

interface InputOptions {
  /** The folder of the matrix file. */
  readonly cwd: string;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/**
 * Digests of the files that these cells are made of: series, config fragments, the .config of `configBase` and the user's
 * programs. Kernels are not among them. Throws `usage` for a file that does not exist.
 */
export async function digestInputs(
  cells: readonly NamedCell[],
  options: InputOptions,
): Promise<readonly PlanInput[]> {
  const named = new Map<string, Pick<PlanInput, 'kind' | 'name'>>();
  const add = (kind: PlanInput['kind'], name: string): void =>
    void named.set(`${kind} ${name}`, { kind, name });
  for (const { series, config, configBase, workload } of cells) {
    for (const name of series) add('series', name);
    for (const name of config) add('config', name);
    if (configBase !== undefined) add('configBase', configBase);
    if (workloads.every(({ name }) => name !== workload)) add('workload', workload);
  }
  const inputs: PlanInput[] = [];
  for (const one of named.values()) {
    inputs.push({ ...one, digest: await digestInput(one, options) });
  }
  return inputs;
}

/** How large a program of the user may be. */
const largestProgramBytes = 1024 ** 3;

async function digestInput(
  { kind, name }: Pick<PlanInput, 'kind' | 'name'>,
  { cwd, signal }: InputOptions,
): Promise<string> {
  if (kind === 'workload') {
    const found = await readIfThere(
      readRegular(resolve(cwd, name), {
        largestBytes: largestProgramBytes,
        shown: `workload ${name}`,
      }),
    );
    if (found === undefined) throw new HarnessError('usage', `workload ${name}: no such file`);
    return createHash('sha256').update(found).digest('hex');
  }
  if (kind === 'series') {
    const { patches } = await readSeries(name, { cwd, signal, baseVersion: async () => '0.0' });
    return valueDigest(patches.map(({ diff, strip = 1 }) => [diff, strip]));
  }
  return valueDigest(
    await pinConfigs(
      kind === 'config'
        ? { configs: [name], configBase: undefined }
        : { configs: [], configBase: name },
      cwd,
    ),
  );
}

type PlanPin = NightPlanRecord['kernels'][string];

/**
 * Completes what a plan stores about a kernel, so that every host uses the same kernel. Adds a digest of the content for a
 * folder or a tarball, and the exact version for a Debian kernel. Returns the entry of a branch unchanged, because that entry
 * has the commit.
 */
export async function pinContent(pin: PlanPin, options: InputOptions): Promise<PlanPin> {
  const { kernel, sha } = pin;
  if (kernel.startsWith('debian:')) {
    return { ...pin, kernel: await pinDebian(kernel, options) };
  }
  return sha === null ? { ...pin, digest: await digestSource(kernel, options) } : pin;
}

/** The digest of a folder or a tarball. Null when the path does not exist; the build of the kernel reports this. */
async function digestSource(
  kernel: string,
  { cwd, cacheRoot, signal, emit }: InputOptions,
): Promise<string | null> {
  const path = resolve(cwd, kernel);
  const found = await readIfThere(stat(path));
  if (found?.isFile() === true) return fileDigest(path);
  if (found?.isDirectory() !== true) return null;
  const onRead = (): void => emit({ kind: 'note', text: `reading ${path}` });
  return (await describeWorkingTree(path, { cacheRoot, signal, onRead })).digest;
}

/**
 * Throws `config` when a file or kernel of these cells is missing on this host, or differs from that on the host which made the
 * plan. Results would otherwise belong to another plan.
 */
export async function requireSameInputs(
  plan: NightPlanRecord,
  cells: readonly NamedCell[],
  options: InputOptions,
): Promise<void> {
  const planned = new Map(plan.inputs.map((one) => [`${one.kind} ${one.name}`, one.digest]));
  for (const { kind, name, digest } of await digestOrTell(cells, options)) {
    if (planned.get(`${kind} ${name}`) !== digest) throw differs(`${kind} ${name}`);
  }
  for (const named of new Set(cells.map(({ kernel }) => kernel))) {
    const pin = plan.kernels[named];
    if (pin === undefined)
      throw new HarnessError(
        'config',
        `kernel ${named}: the plan does not pin its version; make a new plan`,
      );
    if (pin.digest !== null && (await digestSource(pin.kernel, options)) !== pin.digest) {
      throw differs(`kernel ${named}`);
    }
  }
}

function differs(what: string): HarnessError {
  return new HarnessError(
    'config',
    `${what} differs from the planned version; make a new plan, or copy the planned version to this machine`,
  );
}

async function digestOrTell(
  cells: readonly NamedCell[],
  options: InputOptions,
): Promise<readonly PlanInput[]> {
  try {
    return await digestInputs(cells, options);
  } catch (error) {
    if (!isHarnessError(error, 'usage')) throw error;
    const text = `${error.message}; splat looks for the files of the plan in the folder of its matrix, ${options.cwd}`;
    throw new HarnessError('config', text, { cause: error });
  }
}
