import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere } from '../host/disk.ts';
import { ensureEntry, findEntry } from '../host/store.ts';
import { isModuleName } from './module-info.ts';
import { whileUnchanging } from './unchanging.ts';
import { copyWorkingTree, describeWorkingTree } from './working-tree.ts';

/** What a value of `--module` names: a folder with the sources of modules, or a module of the kernel's tree. */
export type RequestedModule =
  /** `name` is the folder's name without the path. `digest` is the digest of the folder's files, which are copied in the cache. */
  | { readonly kind: 'folder'; readonly name: string; readonly digest: string }
  /** `name` is the module's name as the kernel prints it, with _ for each -: `virtio_gpu`. */
  | { readonly kind: 'tree'; readonly name: string };

interface PinOptions {
  readonly cwd: string;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
}

/**
 * Reads the values of `--module`, and copies each folder into the cache, so that an edit during hours of builds does not mix two
 * versions of a module. Throws `usage` for a value that is neither a folder with a Makefile or Kbuild nor a module's name.
 */
async function pinModules(
  named: readonly string[],
  options: PinOptions,
): Promise<readonly RequestedModule[]> {
  const modules: RequestedModule[] = [];
  for (const value of named) modules.push(await pinModule(value, options));
  return modules;
}

/**
 * Reads the values of `--module`, and returns them as the field `modules` of a build request. Without values, returns no field.
 * Throws `usage` for a value that is neither a folder with a Makefile or Kbuild nor the name of a module.
 */
export async function requestedModules(
  named: readonly string[],
  options: PinOptions,
): Promise<{ readonly modules?: readonly RequestedModule[] }> {
  return named.length === 0 ? {} : { modules: await pinModules(named, options) };
}

async function pinModule(value: string, options: PinOptions): Promise<RequestedModule> {
  const dir = resolve(options.cwd, value);
  const found = await readIfThere(stat(dir));
  if (found === undefined && isModuleName(value)) {
    return { kind: 'tree', name: value.replaceAll('-', '_') };
  }
  if (found?.isDirectory() !== true) {
    throw new HarnessError(
      'usage',
      `--module ${value}: neither a folder nor the name of a module of the kernel tree`,
    );
  }
  const files = await readdir(dir);
  if (!files.includes('Makefile') && !files.includes('Kbuild')) {
    const wanted = 'one of them with a line such as obj-m += NAME.o';
    throw new HarnessError(
      'usage',
      `--module ${value}: the folder has no Makefile and no Kbuild; it needs ${wanted}`,
    );
  }
  const { cacheRoot, signal } = options;
  return whileUnchanging(`--module ${value}: the folder`, async (isAgain) => {
    const tree = await describeWorkingTree(dir, { cacheRoot, signal, isAgain });
    await ensureEntry(cacheRoot, {
      kind: 'source',
      key: keyOf(tree.digest),
      signal,
      make: async (draft) => {
        await copyWorkingTree(dir, join(draft, 'tree'), tree);
        return { name: basename(dir) };
      },
    });
    return { kind: 'folder', name: basename(dir), digest: tree.digest };
  });
}

/**
 * Reads the values of `--module`. For each module, `trees` has the path of the copy of its folder, or undefined for a module of
 * the kernel's tree. Throws `usage` for a value that is neither a folder with a Makefile or Kbuild nor the name of a module.
 */
export async function pinnedModules(
  named: readonly string[],
  options: PinOptions,
): Promise<{
  readonly modules: readonly RequestedModule[];
  readonly trees: readonly (string | undefined)[];
}> {
  const modules = await pinModules(named, options);
  const trees = await Promise.all(
    modules.map(async (one) =>
      one.kind === 'tree' ? undefined : moduleSource(options.cacheRoot, one.digest),
    ),
  );
  return { modules, trees };
}

/**
 * Returns the path of the copy of a `--module` folder in the cache. `digest` is the digest of the folder's files. Throws `infra`
 * when the copy was removed.
 */
export async function moduleSource(cacheRoot: string, digest: string): Promise<string> {
  const { entry } = await findEntry(cacheRoot, 'source', keyOf(digest));
  if (entry !== undefined) return join(entry.dir, 'tree');
  throw new HarnessError(
    'infra',
    `the copy of a --module folder was removed from ${cacheRoot} while splat used it`,
  );
}

function keyOf(digest: string): string {
  return `module_${digest.slice(0, 32)}`;
}

/** Returns what the `--module` values add to the digest of a kernel: a folder's files count, but not its path and name. */
export function modulesIdentity(modules: readonly RequestedModule[]): readonly string[] {
  return modules.map((one) => (one.kind === 'tree' ? one.name : `=${one.digest}`));
}
