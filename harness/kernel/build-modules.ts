import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { makeFolder } from '../host/disk.ts';
import { runTool, throwIfAborted } from '../host/process.ts';
import { type Mount, pathInside, runSandboxed } from '../host/sandbox.ts';
import type { Untestable } from '../verdict.ts';
import { explainBuildFailure } from './build-log.ts';
import { findBuilt, type MakeSetup, runMake } from './make.ts';
import {
  isModuleName,
  loadOrder,
  moduleName,
  type PlacedModule,
  readModuleInfo,
} from './module-info.ts';
import { moduleSource, type RequestedModule } from './requested-modules.ts';

/** A module that make has built, with its place in the guest. */
export interface MadeModule extends PlacedModule {
  /** The module's file with debug information. */
  readonly file: string;
  /** The copy of the module without debug information, for the guest. */
  readonly stripped: string;
  /** The name of the `--module` folder from which the module was built. Absent for a module of the kernel's tree. */
  readonly folder?: string;
}

/** The modules that make has built for a kernel. */
export interface MadeModules {
  readonly modules: readonly MadeModule[];
  /** The names of the modules that a guest loads after boot, in this order, before splat saves the guest for its trials. */
  readonly load: readonly string[];
}

type Made<T> = { readonly made: T } | { readonly verdict: Untestable };

/**
 * Builds the folders of `--module` against the compiled kernel. Returns all built modules, including those of the kernel's tree.
 * Returns the verdict `untestable` in four cases: a folder does not build; `--module` names a module that the tree lacks; two
 * modules have the same name; a module that the guest loads needs a module that was not built.
 */
export async function buildModules(
  setup: MakeSetup,
  asked: readonly RequestedModule[],
  cacheRoot: string,
): Promise<Made<MadeModules>> {
  const found: FoundModule[] = await modulesOfTree(setup);
  const scratch = join(setup.workspace.obj.host, strippedFolder);
  await rm(scratch, { recursive: true, force: true });
  await makeOwned(scratch, setup);
  const load: string[] = [];
  for (const [at, one] of asked.entries()) {
    if (one.kind === 'tree') {
      if (found.every(({ path }) => moduleName(path) !== one.name)) {
        const why = 'its option is y or not set, or the module has another name';
        return refused('config', `--module ${one.name}: this kernel has no such module: ${why}`);
      }
      load.push(one.name);
      continue;
    }
    const made = await buildFolder(setup, { ...one, at: at + 1, cacheRoot });
    if ('verdict' in made) return made;
    found.push(...made.made);
    load.push(...made.made.map(({ path }) => moduleName(path)));
  }
  return concludeModules(setup, found, load);
}

/** A file that make has built and that should be a module. Its content was not read yet. */
interface FoundModule {
  /** The folder in which make built the module. `below` is the path of the module's file relative to this folder. */
  readonly mount: Mount;
  readonly below: string;
  /** The module's path in the guest, relative to `/lib/modules/RELEASE`. */
  readonly path: string;
  readonly folder?: string;
}

const strippedFolder = '.splat-stripped';

async function concludeModules(
  setup: MakeSetup,
  found: readonly FoundModule[],
  load: readonly string[],
): Promise<Made<MadeModules>> {
  const modules: MadeModule[] = [];
  for (const one of found) {
    const file = join(one.mount.host, one.below);
    const info = readModuleInfo(one.path, await readFile(file));
    if (info === undefined) return refused('build', `${one.path} is no module of the kernel`);
    if (modules.some(({ name }) => name === info.name)) {
      return refused('config', `--module: there are two modules ${info.name}`);
    }
    const { path, folder } = one;
    const stripped = await strip(setup, one, modules.length);
    modules.push({ ...info, path, file, stripped, ...(folder === undefined ? {} : { folder }) });
  }
  const order = loadOrder(modules, load);
  if (!('needs' in order)) return { made: { modules, load: order } };
  const { module, needs } = order;
  return refused('build', `module ${module} needs module ${needs}, which was not built`);
}

function refused(because: 'config' | 'build', message: string): { readonly verdict: Untestable } {
  return { verdict: { kind: 'untestable', because, message } };
}

/**
 * Returns the modules of the kernel's tree that make has built. make lists them in the file modules.order: as `.ko` files up to
 * Linux 6.2, as `.o` files in later versions (scripts/Makefile.build).
 */
async function modulesOfTree(setup: MakeSetup): Promise<FoundModule[]> {
  const order = await findBuilt(setup.workspace, 'modules.order');
  if (order === undefined) return [];
  const found: FoundModule[] = [];
  for (const line of (await readFile(order, 'utf8')).split('\n')) {
    const path = line.replace(/\.k?o$/, '.ko');
    if (!isModulePath(path)) continue;
    const isThere = (await findBuilt(setup.workspace, path)) !== undefined;
    if (isThere) found.push({ mount: setup.workspace.obj, below: path, path: `kernel/${path}` });
  }
  return found;
}

function isModulePath(path: string): boolean {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  return (
    name.endsWith('.ko') &&
    isModuleName(name.slice(0, -'.ko'.length)) &&
    parts.every((part) => /^[\w+-][\w.+-]*$/.test(part))
  );
}

interface FolderToBuild {
  readonly name: string;
  readonly digest: string;
  /** The position of this folder among all values of `--module`, from 1. */
  readonly at: number;
  readonly cacheRoot: string;
}

/**
 * Copies a folder with the sources of modules and builds the copy with `make M=` (Documentation/kbuild/modules.rst). Returns the
 * modules, or the verdict `untestable` when the folder does not build.
 */
async function buildFolder(
  setup: MakeSetup,
  { name, digest, at, cacheRoot }: FolderToBuild,
): Promise<Made<readonly FoundModule[]>> {
  const { workspace, sandbox, signal } = setup;
  const mount: Mount = {
    host: join(workspace.dir, `module-${at}`),
    inside: `/splat/module-${at}`,
    writable: true,
  };
  await rm(mount.host, { recursive: true, force: true });
  const from = await moduleSource(cacheRoot, digest);
  await runTool('cp', ['--recursive', '--no-dereference', '--', from, mount.host], { signal });
  if (sandbox.uid !== undefined) {
    const owner = `${sandbox.uid}:${sandbox.uid}`;
    await runTool('chown', ['--recursive', '--no-dereference', owner, mount.host], { signal });
  }
  const lines: string[] = [];
  const end = await runMake({ ...setup, module: mount }, ['modules'], (line) => lines.push(line));
  if (end.exitCode !== 0) {
    return refused('build', `module ${name} does not build: ${explainBuildFailure(lines)}`);
  }
  const files = (await walk(mount.host)).filter(isModulePath).toSorted();
  if (files.length === 0) {
    const wanted = 'its Makefile needs a line such as obj-m += NAME.o';
    return refused('build', `module ${name}: make left no .ko: ${wanted}`);
  }
  return {
    made: files.map((path) => ({
      mount,
      below: path,
      path: `extra/${path.slice(path.lastIndexOf('/') + 1)}`,
      folder: name,
    })),
  };
}

/** Returns the paths of the regular files below a folder. Links are not followed. */
async function walk(dir: string, below = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for (const item of await readdir(join(dir, below), { withFileTypes: true })) {
    const path = below === '' ? item.name : `${below}/${item.name}`;
    if (item.isDirectory()) found.push(...(await walk(dir, path)));
    else if (item.isFile()) found.push(path);
  }
  return found;
}

/**
 * Makes a copy of a module without debug information and returns its path. Debug information is nine tenths of the file, and would
 * take up the guest's memory.
 */
async function strip(
  { workspace, sandbox, signal }: MakeSetup,
  { mount, below }: FoundModule,
  index: number,
): Promise<string> {
  const { obj } = workspace;
  const name = `${strippedFolder}/${index}.ko`;
  const out = `${pathInside(sandbox, obj)}/${name}`;
  const input = `${pathInside(sandbox, mount)}/${below}`;
  const end = await runSandboxed(sandbox, 'strip', ['--strip-debug', '-o', out, '--', input], {
    signal,
    mounts: mount === obj ? [obj] : [obj, mount],
    cwd: obj,
  });
  throwIfAborted(signal);
  const path = await findBuilt(workspace, name);
  if (end.exitCode === 0 && path !== undefined) return path;
  throw new HarnessError('tool', `the program strip failed on the module ${below}`, {
    output: end.stderr,
  });
}

async function makeOwned(dir: string, { sandbox, signal }: MakeSetup): Promise<void> {
  await makeFolder(dir);
  if (sandbox.uid !== undefined) {
    await runTool('chown', [`${sandbox.uid}:${sandbox.uid}`, dir], { signal });
  }
}
