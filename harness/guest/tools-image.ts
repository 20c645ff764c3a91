import { chmod, cp, mkdir, readdir, realpath, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Emit } from '../events.ts';
import type { Apt } from '../host/apt.ts';
import {
  type PlannedPackage,
  packageClosure,
  unpackPackages,
  type WantedPackages,
} from '../host/apt-closure.ts';
import { makeFolder } from '../host/disk.ts';
import { runTool } from '../host/process.ts';
import type { ExchangeOptions, SharedName } from '../host/shared/exchange.ts';
import { collectLibraries } from '../host/shared-libraries.ts';

/** Programs, with all files that they need, that go into a disk image for guests (guests/minimal/tools.c). */
export interface ToolsTree {
  /** The paths of the files, links and whole folders of this host that are copied, by their paths in the image. */
  readonly copies: Readonly<Record<string, string>>;
  /** Those of the copied files that are programs, as paths on this host. The libraries that they need are added to the image. */
  readonly programs: readonly string[];
  /** The folders of this host in which libraries are searched, in this order. */
  readonly libraryFolders: readonly string[];
  /** The path of the dynamic linker on this host. */
  readonly loader: string;
  /**
   * Names of libraries that the programs open at run time; a program's list of libraries does not have them. The library of the C
   * compiler always counts as such a library. A name that is in no library folder is skipped.
   */
  readonly opened?: readonly string[];
}

/** The path at which x86-64 programs expect the dynamic linker, also in the image (System V ABI, AMD64 supplement). */
export const loaderPath = 'lib64/ld-linux-x86-64.so.2';
/** The path of the folder with the libraries in the image. Programs are started with LD_LIBRARY_PATH set to this path. */
export const libraryFolder = '/usr/lib/x86_64-linux-gnu';

/** Folders that the programs expect. These folders are empty in the image, and the guest mounts its own folders on them. */
const emptyFolders = ['dev', 'proc', 'sys', 'tmp', 'run', 'etc', 'root', 'var/tmp'];
/**
 * The library of the C compiler. pthread_exit(3) and pthread_cancel(3) open it by its name, so no program's list of libraries has
 * it.
 */
const openedByName = ['libgcc_s.so.1'];

/** The shared name of a disk of tools with this key. Hosts share only the file `disk` of its cache entry. */
export function toolsDisk(key: string): SharedName {
  return { kind: 'tool', key, filesOf: () => ['disk'] };
}

/** The options for fetching from and offering to a shared store. A failure of the store becomes a note. */
export function noting(options: {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}): ExchangeOptions {
  const { cacheRoot, signal, emit } = options;
  return { cacheRoot, signal, onFault: (text) => emit({ kind: 'note', text }) };
}

/**
 * Copies the programs of a tree, and the libraries that they need, into the empty folder `dir`, each file to its path in the
 * image. Throws `tool` for a needed library that no library folder has.
 */
export async function layOutTools(
  tree: ToolsTree,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  for (const folder of emptyFolders) await mkdir(join(dir, folder), { recursive: true });
  for (const [path, from] of Object.entries(tree.copies)) {
    await makeFolder(dirname(join(dir, path)));
    await cp(from, join(dir, path), { recursive: true, verbatimSymlinks: true });
  }
  const libraries = await librariesOf(tree, signal);
  const target = join(dir, libraryFolder);
  await makeFolder(target);
  for (const [name, path] of libraries) await copyFile(path, join(target, name));
  await makeFolder(dirname(join(dir, loaderPath)));
  await copyFile(tree.loader, join(dir, loaderPath));
  await symlink('usr/lib', join(dir, 'lib'));
}

/**
 * Maps each library that the programs of `tree` need, by its name, to its path on this host. Throws `tool` for a library that
 * no library folder has.
 */
export async function librariesOf(
  tree: Pick<ToolsTree, 'programs' | 'libraryFolders' | 'opened'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const opened = new Map<string, string>();
  for (const name of [...openedByName, ...(tree.opened ?? [])]) {
    const folder = await folderOf(name, tree.libraryFolders);
    if (folder !== undefined) opened.set(name, join(folder, name));
  }
  const roots = [...tree.programs, ...opened.values()];
  return new Map([...opened, ...(await collectLibraries(roots, tree.libraryFolders, signal))]);
}

/** Copies the file `from`, or the file that it links to, to the path `to`, and makes the copy executable. */
async function copyFile(from: string, to: string): Promise<void> {
  await cp(await realpath(from), to);
  await chmod(to, 0o755);
}

async function folderOf(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const names: readonly string[] = await readdir(folder).catch(() => []);
    if (names.includes(name)) return folder;
  }
  return undefined;
}

/**
 * Fetches packages with all packages that they depend on, and unpacks them below `dir/scratch`. Returns `root`, the folder with
 * their files, and the list of the packages. A note first says how much is fetched; it calls the packages `name`. Throws `tool`
 * as packageClosure() does.
 */
export async function fetchTools(
  name: string,
  wanted: WantedPackages,
  apt: Apt,
  {
    dir,
    signal,
    emit,
  }: { readonly dir: string; readonly signal: AbortSignal; readonly emit: Emit },
): Promise<{ readonly root: string; readonly packages: readonly PlannedPackage[] }> {
  const packages = await packageClosure(apt, wanted, signal);
  const bytes = packages.reduce((sum, one) => sum + one.bytes, 0);
  const size = `${(bytes / 1e6).toFixed(1)} MB in ${packages.length} packages`;
  emit({ kind: 'note', text: `fetching ${name}: ${size}` });
  const root = await unpackPackages(apt, packages, join(dir, 'scratch'), signal);
  return { root, packages };
}

/** The UUID of every image, fixed so that equal files give equal images. */
const imageUuid = '5b1a7000-0000-4000-8000-000000000001';

/**
 * Packs the folder `dir` into the EROFS image at the path `image`, compressed with LZ4 in clusters of 64 KiB (mkfs.erofs(1)). A
 * guest reads such an image in place.
 */
export async function packTools(dir: string, image: string, signal: AbortSignal): Promise<void> {
  const compression = ['-zlz4hc', '-C65536'];
  // Times and owners are fixed. Extended attributes are left out, because base.config has no support for them.
  const fixed = ['-T0', '-U', imageUuid, '--all-root', '-x-1', '--quiet'];
  await runTool('mkfs.erofs', [...compression, ...fixed, image, dir], {
    signal,
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
}
