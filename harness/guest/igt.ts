import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type Apt, openApt } from '../host/apt.ts';
import { type PackageVersion, packageVersions } from '../host/apt-packages.ts';
import { makeFolder, readIfThere } from '../host/disk.ts';
import { packageRoot } from '../host/package-root.ts';
import { ensureShared, recallShared } from '../host/shared/exchange.ts';
import {
  type Entry,
  ensureEntry,
  fileDigest,
  findEntry,
  removeTree,
  valueDigest,
} from '../host/store.ts';
import { listSubtests } from './igt-subtests.ts';
import {
  fetchTools,
  layOutTools,
  librariesOf,
  loaderPath,
  noting,
  packTools,
  type ToolsTree,
  toolsDisk,
} from './tools-image.ts';

/** The content of guests/igt/bundle.json: the version of Debian's package of IGT, and which of its files are packed. */
interface Bundle {
  readonly package: string;
  readonly version: string;
  readonly sha256: string;
  readonly programs: string;
  /** Regular expressions for how the names of tests for other hardware begin. */
  readonly hardware: { readonly names: readonly string[] };
  readonly data: readonly string[];
  readonly without: { readonly names: readonly string[] };
}

/** A disk with IGT (tests of GPU drivers) for a guest. */
export interface IgtImage {
  /** An id of the image: images with the same content have the same id. */
  readonly id: string;
  /** The path of an EROFS image. */
  readonly disk: string;
  /** The name for people: `igt-gpu-tools-tests 2.5-1 of Debian`, or the folder of the user's own build. */
  readonly name: string;
  /** The names of each test program's subtests, by the name of the program. The list is empty for a program without subtests. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

/** The options of the code that makes a disk with programs: the cache, and the signal and event function of the run. */
export interface IgtOptions {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** The folder of the test programs, in every image with IGT. */
export const igtFolder = '/usr/libexec/igt-gpu-tools';
/**
 * The version of the code that packs the disk. Raise this number when other files are packed, or in another way, so that old
 * disks are not used.
 */
const packing = 1;

/** The facts about an image that pack() made. */
interface Packed {
  readonly tests: IgtImage['tests'];
  /** The digest of the disk. */
  readonly sha256: string;
}

/** The facts that the store keeps about a disk with IGT. A disk that an early version of splat packed has no digest. */
interface Meta extends Omit<Packed, 'sha256'> {
  readonly name: string;
  readonly sha256?: string;
}

/**
 * Returns a disk with Debian's IGT, in the version of guests/igt/bundle.json. Takes the disk from the cache or a shared store,
 * without a request to Debian, or else fetches this version and packs it. When Debian no longer has this version, takes
 * Debian's newest version, with a note. When that fails, takes the newest version in the cache, with a note. Throws `tool` when
 * the cache has no version.
 */
export async function ensureIgt(options: IgtOptions): Promise<IgtImage> {
  const bundle = await readBundle();
  const recipe = valueDigest([bundle, packing]).slice(0, 12);
  const pinned = await recallShared(toolsDisk(igtKey(bundle.version, recipe)), noting(options));
  if (pinned !== undefined) return imageOf(pinned);
  try {
    const { apt, found } = await findVersion(bundle, options);
    return await packDebian(bundle, { apt, found, recipe }, options);
  } catch (error) {
    if (!isHarnessError(error, 'tool')) throw error;
    const cached = await newestCached(options.cacheRoot, recipe);
    if (cached === undefined) throw error;
    options.emit({ kind: 'note', text: `${error.message}; using ${cached.name} of the cache` });
    return cached;
  }
}

async function readBundle(): Promise<Bundle> {
  const path = join(packageRoot(), 'guests', 'igt', 'bundle.json');
  return JSON.parse(await readFile(path, 'utf8')) as Bundle;
}

function igtKey(version: string, recipe: string): string {
  return `igt_${version.replaceAll(/[^A-Za-z0-9.-]/g, '_')}_${recipe}`;
}

async function findVersion(
  bundle: Bundle,
  { emit, ...options }: IgtOptions,
): Promise<{ readonly apt: Apt; readonly found: PackageVersion }> {
  const apt = await openApt({
    ...options,
    onRefresh: (mirror) => emit({ kind: 'note', text: `asking ${mirror} for ${bundle.package}` }),
  });
  const versions = await packageVersions(apt, bundle.package, options.signal);
  const wanted = versions.find(({ version }) => version === bundle.version);
  const found = wanted ?? versions[0];
  if (found === undefined) {
    throw new HarnessError('tool', `no Debian suite has the package ${bundle.package}`);
  }
  if (wanted !== undefined && wanted.sha256 !== bundle.sha256) {
    const text = `${bundle.package} ${bundle.version} has SHA-256 ${wanted.sha256} in Debian's lists, but splat expects ${bundle.sha256}`;
    throw new HarnessError('tool', text);
  }
  if (wanted === undefined) {
    const text = `Debian has no ${bundle.package} ${bundle.version} any more; taking ${found.version}`;
    emit({ kind: 'note', text });
  }
  return { apt, found };
}

async function packDebian(
  bundle: Bundle,
  from: { readonly apt: Apt; readonly found: PackageVersion; readonly recipe: string },
  { cacheRoot, signal, emit }: IgtOptions,
): Promise<IgtImage> {
  const { apt, found, recipe } = from;
  const name = `${bundle.package} ${found.version} of Debian`;
  const entry = await ensureShared(
    toolsDisk(igtKey(found.version, recipe)),
    async (dir) => {
      const names = [`${bundle.package}=${found.version}`];
      const wanted = { names, without: bundle.without.names };
      const { root, packages } = await fetchTools(name, wanted, apt, { dir, signal, emit });
      const packed = await pack(await treeOf(bundle, root), dir, signal);
      return { name, ...packed, packages } satisfies Meta & { packages: unknown };
    },
    noting({ cacheRoot, signal, emit }),
  );
  return imageOf(entry);
}

async function treeOf(bundle: Bundle, root: string): Promise<ToolsTree> {
  const data = await Promise.all(
    bundle.data.map(async (path) => {
      const isThere = (await readIfThere(stat(join(root, path)))) !== undefined;
      return isThere ? [[path, join(root, path)] as const] : [];
    }),
  );
  const programs = await testsIn(join(root, bundle.programs), bundle);
  return {
    copies: { ...Object.fromEntries(data.flat()), ...programs },
    programs: Object.values(programs),
    libraryFolders: ['usr/lib/x86_64-linux-gnu', 'usr/lib'].map((path) => join(root, path)),
    loader: join(root, 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'),
  };
}

/**
 * Copies the files of `tree`, lists the subtests of every test program, and packs the image `DIR/disk`. Leaves only the image in
 * `dir`.
 */
async function pack(tree: ToolsTree, dir: string, signal: AbortSignal): Promise<Packed> {
  const folder = join(dir, 'tree');
  await makeFolder(folder);
  await layOutTools(tree, folder, signal);
  const tests = await listSubtests(folder, igtFolder, signal);
  await packTools(folder, join(dir, 'disk'), signal);
  await removeTree(folder);
  await removeTree(join(dir, 'scratch'));
  return { tests, sha256: await fileDigest(join(dir, 'disk')) };
}

/**
 * The test programs in a folder, with their data files: the path on this host, by the path in the image. Tests for other hardware
 * are left out.
 */
async function testsIn(
  folder: string,
  { hardware }: Bundle,
): Promise<Readonly<Record<string, string>>> {
  const other = new RegExp(`^(?:${hardware.names.join('|')})`);
  const items = await readdir(folder, { withFileTypes: true });
  const files = items
    .filter(({ name }) => !other.test(name))
    .flatMap((item) => (item.isFile() ? item.name : []));
  return Object.fromEntries(
    files.toSorted().map((name) => [`${igtFolder.slice(1)}/${name}`, join(folder, name)]),
  );
}

async function newestCached(cacheRoot: string, recipe: string): Promise<IgtImage | undefined> {
  const keys = (await readIfThere(readdir(join(cacheRoot, 'tool')))) ?? [];
  const newest = keys
    .filter((key) => key.startsWith('igt_') && key.endsWith(`_${recipe}`))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  if (newest === undefined) return undefined;
  const { entry } = await findEntry(cacheRoot, 'tool', newest);
  return entry === undefined ? undefined : imageOf(entry);
}

function imageOf(entry: Entry): IgtImage {
  const { name, tests, sha256 } = entry.meta as Meta;
  // A saved guest has already read from its disk. A disk that was made again, with newer libraries, must have another id.
  const id = sha256 === undefined ? entry.key : `${entry.key}_${sha256.slice(0, 16)}`;
  return { id, disk: join(entry.dir, 'disk'), name, tests };
}

/**
 * The folders in which the user's build of IGT may have its tests, in the order of search: below the prefix of an installation, or
 * in meson's build folder.
 */
const ownFolders = [
  'libexec/igt-gpu-tools',
  'usr/libexec/igt-gpu-tools',
  'usr/local/libexec/igt-gpu-tools',
  'tests',
  '.',
];
/**
 * The folders in which the user's build of IGT may have its libraries (`ownLibraries`), and the folders of this host that may have
 * further libraries that the build needs (`hostLibraries`).
 */
const ownLibraries = ['lib/x86_64-linux-gnu', 'lib64', 'lib', 'usr/lib/x86_64-linux-gnu'];
const hostLibraries = [
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib64',
  '/usr/lib64',
  '/usr/local/lib',
];
/** A test that every IGT has. A folder with it is a folder of tests. */
const markTest = 'core_getversion';

/**
 * Returns a disk with the user's own build of IGT in the folder `dir`. The libraries that it needs come from the build's folders
 * or from this host. The disk is packed again when a program, a data file or a library has changed. Throws `usage` for a folder
 * without a build of IGT. Throws `tool` for a missing library.
 */
export async function ensureOwnIgt(dir: string, options: IgtOptions): Promise<IgtImage> {
  const { cacheRoot, signal } = options;
  const folder = await findOwn(dir);
  const copies = await testsIn(folder, await readBundle());
  const programs = Object.values(copies).filter((file) => !/\.\w+$/.test(file));
  const libraryFolders = [
    ...ownLibraries.map((path) => resolve(dir, path)),
    ...['../../lib/x86_64-linux-gnu', '../../lib'].map((path) => resolve(folder, path)),
    ...hostLibraries,
  ];
  const tree: ToolsTree = {
    copies,
    programs,
    libraryFolders,
    loader: `/${loaderPath}`,
  };
  const libraries = await librariesOf(tree, signal);
  const packed = [...Object.values(copies), ...libraries.values(), tree.loader];
  const digests = await Promise.all(packed.map(async (file) => [file, await fileDigest(file)]));
  const entry = await ensureEntry(cacheRoot, {
    kind: 'tool',
    key: `igt-own-${valueDigest([digests, packing]).slice(0, 24)}`,
    signal,
    make: async (draft) => ({ name: dir, ...(await pack(tree, draft, signal)) }) satisfies Meta,
  });
  return imageOf(entry);
}

async function findOwn(dir: string): Promise<string> {
  for (const path of ownFolders) {
    const folder = resolve(dir, path);
    const found = await readIfThere(stat(join(folder, markTest)));
    if (found?.isFile() === true) return folder;
  }
  const text = `--igt ${dir}: neither a build nor an installation of IGT, since it has no ${markTest}`;
  throw new HarnessError('usage', text);
}
