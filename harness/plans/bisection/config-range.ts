import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readFaultIn } from '../../host/disk.ts';
import { valueDigest } from '../../host/store.ts';
import { parseConfig } from '../../kernel/config.ts';
import { parseFragment } from '../../kernel/fragment.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { openSource } from '../../kernel/source.ts';
import { buildTestKernel } from '../../kernel/test-kernel.ts';
import { type ConfigLine, configText, describeLine, differences, isWhole } from './config-lines.ts';
import { buildHistory } from './history.ts';
import type { KernelWork } from './kernel-work.ts';
import type { Range } from './range.ts';

export interface ConfigsRequest {
  readonly kind: 'configs';
  readonly kernel: string;
  /** Path of the good configuration: a whole .config, or a fragment. */
  readonly good: string;
  /** Path of the bad configuration. It must be of the same kind as the good configuration: a whole .config, or a fragment. */
  readonly bad: string;
}

/** The id of the old end of the range: the good configuration as it is. */
const goodEnd = 'good';

/**
 * Opens the lines that differ between a good and a bad configuration, as the range of a bisection. The good configuration is the
 * old end, with the id `good`. Each candidate `CONFIG_X` adds a bad line, in the order of the bad file, where Kconfig puts a
 * dependency before its dependents. A whole .config replaces tinyconfig as the base; a fragment is merged over the base. Throws
 * `usage` for a missing file, for a file without a setting, when only one file is a whole .config, for whole files besides
 * `--config-base`, and when no line differs.
 */
export async function openConfigs(request: ConfigsRequest, work: KernelWork): Promise<Range> {
  const texts = await Promise.all([request.good, request.bad].map((path) => readIt(path, work)));
  const [good = '', bad = ''] = texts;
  if (isWhole(good) !== isWhole(bad)) {
    const [whole, piece] = isWhole(good) ? ['good', 'bad'] : ['bad', 'good'];
    const reason = `the ${whole} file is a whole .config, the ${piece} file a fragment; give two files of the same kind`;
    throw new HarnessError('usage', `--configs ${request.good} ${request.bad}: ${reason}`);
  }
  if (isWhole(good) && work.configBase !== undefined) {
    throw new HarnessError(
      'usage',
      '--config-base and whole .config files in --configs: give only one of them',
    );
  }
  const lines = differences(good, bad);
  if (lines.length === 0) {
    throw new HarnessError('usage', `no line differs between ${request.good} and ${request.bad}`);
  }
  const source = await openSource(request.kernel, work);
  const workspace = valueDigest(['configs', source.id, ...texts]).slice(0, 24);
  const build = async (taken: readonly ConfigLine[]): Promise<BuildOutcome> =>
    buildTestKernel({
      ...work,
      kernel: request.kernel,
      source,
      workspace,
      ...demands(good, taken, { work, name: basename(request.bad) }),
    });
  const before = (id: string): number => lines.findIndex((line) => line.id === id);
  const ids = [goodEnd, ...lines.map(({ id }) => id)];
  const upTo = async (id: string): Promise<BuildOutcome> => build(lines.slice(0, before(id) + 1));
  return {
    unit: 'line',
    history: buildHistory(
      goodEnd,
      lines.map(({ id }, at) => ({ id, parents: [ids[at] ?? goodEnd] })),
    ),
    subjects: new Map([
      [goodEnd, request.good],
      ...lines.map((line) => [line.id, describeLine(line)] as const),
    ]),
    identity: [source.id, ...texts],
    build: upTo,
    buildWithout: async (id) => build(lines.filter((line) => line.id !== id)),
    configChanges: async (id) => {
      const [older, newer] = [await upTo(ids[before(id)] ?? goodEnd), await upTo(id)];
      if (older.kind !== 'built' || newer.kind !== 'built') return [];
      const files = await Promise.all([older, newer].map(({ kernel }) => read(kernel.config)));
      return differences(...(files as [string, string])).map((one) => `${one.id}=${one.to}`);
    },
  };
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8');
}

async function readIt(path: string, { cwd }: Pick<KernelWork, 'cwd'>): Promise<string> {
  const text = await read(resolve(cwd, path)).catch((error: unknown) => {
    throw new HarnessError('usage', `--configs ${path}: ${readFaultIn(error)}`, { cause: error });
  });
  if (parseConfig(text).size === 0 && !/^# CONFIG_\w+ is not set$/m.test(text)) {
    throw new HarnessError('usage', `--configs ${path}: the file has no line like CONFIG_X=y`);
  }
  return text;
}

/**
 * Returns the config options of a build: the good configuration, with the lines `taken` of the bad configuration. A whole .config
 * becomes the base; a fragment is merged last.
 */
function demands(
  good: string,
  taken: readonly ConfigLine[],
  { work, name }: { readonly work: KernelWork; readonly name: string },
): Pick<KernelWork, 'configBase' | 'configs'> {
  const text = configText(good, taken);
  if (isWhole(good)) {
    return { configBase: { kind: 'file', name, text }, configs: work.configs };
  }
  return { configBase: work.configBase, configs: [...work.configs, parseFragment(text, name)] };
}
