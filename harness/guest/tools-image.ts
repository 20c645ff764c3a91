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

/** Programs with all they need, to be packed into the image of a tools disk (guests/minimal/tools.c). */
export interface ToolsTree {
  /** Files, links and folders that are copied whole, by their paths in the image. */
  readonly copies: Readonly<Record<string, string>>;
  /** The programs among them whose libraries are added. */
  readonly programs: readonly string[];
  /** Where libraries are looked for, in this order. */
  readonly libraryFolders: readonly string[];
  /** The dynamic linker. */
  readonly loader: string;
  /** Libraries that are opened by name, and so in no program's list. Absent: none but the C compiler's. */
  readonly opened?: readonly string[];
}

/** The path of the dynamic linker that x86-64 programs name (System V ABI, AMD64 supplement). */
export const loaderPath = 'lib64/ld-linux-x86-64.so.2';
/** Where the image has its libraries; programs are started with LD_LIBRARY_PATH set to it. */
export const libraryFolder = '/usr/lib/x86_64-linux-gnu';

/** Folders that the guest's are mounted on, and that programs expect. */
const emptyFolders = ['dev', 'proc', 'sys', 'tmp', 'run', 'etc', 'root', 'var/tmp'];
/** Loaded by name, and so in no program's list: pthread_exit(3) and pthread_cancel(3) unwind with it. */
const openedByName = ['libgcc_s.so.1'];

/** A disk of tools as hosts share it. */
export function toolsDisk(key: string): SharedName {
  return { kind: 'tool', key, filesOf: () => ['disk'] };
}

/** Options of an exchange whose failures are notes. */
export function noting(options: {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}): ExchangeOptions {
  const { cacheRoot, signal, emit } = options;
  return { cacheRoot, signal, onFault: (text) => emit({ kind: 'note', text }) };
}

/** Lays the tree out in the empty folder `dir`. Throws `tool` for a library that is not there. */
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
  const opened = new Map<string, string>();
  for (const name of [...openedByName, ...(tree.opened ?? [])]) {
    const folder = await folderOf(name, tree.libraryFolders);
    if (folder !== undefined) opened.set(name, join(folder, name));
  }
  const roots = [...tree.programs, ...opened.values()];
  const libraries = new Map([
    ...opened,
    ...(await collectLibraries(roots, tree.libraryFolders, signal)),
  ]);
  const target = join(dir, libraryFolder);
  await makeFolder(target);
  for (const [name, path] of libraries) await copyFile(path, join(target, name));
  await makeFolder(dirname(join(dir, loaderPath)));
  await copyFile(tree.loader, join(dir, loaderPath));
  await symlink('usr/lib', join(dir, 'lib'));
}

/** What a link leads to, under the link's name. */
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

/** Fetches packages and all they depend on, and unpacks them below `dir/scratch`; says first how much that is. */
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

/** Of every image, so that equal trees are equal images. */
const imageUuid = '5b1a7000-0000-4000-8000-000000000001';

/** Packs a folder into an EROFS image: read where it is used, compressed with LZ4 in clusters of 64 KiB (mkfs.erofs(1)). */
export async function packTools(dir: string, image: string, signal: AbortSignal): Promise<void> {
  const compression = ['-zlz4hc', '-C65536'];
  // A fixed time and owner; attributes are left out because base.config leaves them out.
  const fixed = ['-T0', '-U', imageUuid, '--all-root', '-x-1', '--quiet'];
  await runTool('mkfs.erofs', [...compression, ...fixed, image, dir], {
    signal,
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
}
