import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Architecture, defaultArch } from '../arch.ts';
import { writeCpio } from '../host/cpio.ts';
import { makeFolder } from '../host/disk.ts';
import type { Sandbox } from '../host/sandbox.ts';
import { type Entry, ensureEntry, fileDigest, findEntry, valueDigest } from '../host/store.ts';
import type { LeftOut } from '../patch/apply.ts';
import type { Diagnostic } from '../records/build.ts';
import type { DroppedLines } from '../records/journal.ts';
import type { StoreOrigin } from '../records/store.ts';
import type { MadeModule, MadeModules } from './build-modules.ts';
import { nothingDropped } from './config.ts';
import { findBuilt } from './make.ts';
import { moduleIndex } from './module-info.ts';
import type { KernelVersion } from './source.ts';
import type { Workspace } from './workspace.ts';

/** A built kernel in splat's cache. Its absolute paths are valid until the kernel is pruned from the cache. */
export interface BuiltKernel {
  /** The key of the kernel in splat's cache. */
  readonly id: string;
  readonly dir: string;
  readonly arch: Architecture;
  /** The file for QEMU's -kernel. */
  readonly image: string;
  /** The image with DWARF. If bwrap confined the build, the paths of its sources begin with /splat/src/. */
  readonly vmlinux: string;
  readonly systemMap: string;
  /** The final .config. */
  readonly config: string;
  readonly buildLog: string;
  /** The output of `uname -r`, such as `6.1.192`. */
  readonly release: string;
  readonly version: KernelVersion;
  /** A digest of the image and of any stripped modules. Kernels with equal digests behave the same in a guest. */
  readonly imageDigest: string;
  readonly facts: BuildFacts;
  /** Absent when the kernel has no loadable modules. */
  readonly modules?: KernelModules;
  /** False when this call compiled the kernel, true when the kernel was in the cache or in the shared store. */
  readonly fromCache: boolean;
  /**
   * The digests of the kernel's config fragments and of the file of `--config-base`. The key is the file's name. Only
   * buildTestKernel() sets this field.
   */
  readonly fragments?: Readonly<Record<string, string>>;
  /** The shared store from which this host fetched the kernel, now or earlier. Absent for a kernel that this host compiled. */
  readonly store?: StoreOrigin;
}

/** The loadable modules of a kernel in splat's cache. */
export interface KernelModules {
  /** The path of a compressed archive with the folder /lib/modules/RELEASE, which the kernel unpacks after its initramfs. */
  readonly archive: string;
  readonly all: readonly StoredModule[];
  /** The modules that a guest loads after boot, in this order, before splat saves the guest for its trials. */
  readonly load: readonly StoredModule[];
}

/** One loadable module of a kernel in splat's cache. */
export interface StoredModule {
  readonly name: string;
  /** The path of the module's file with debug information. */
  readonly file: string;
  /** The module's path in the guest. */
  readonly guestPath: string;
  /** The name of the `--module` folder from which the module was built. Absent for a module of the kernel's tree. */
  readonly folder?: string;
}

/** Facts about the build, measured when the kernel was built. */
export interface BuildFacts {
  readonly sourceName: string;
  readonly compiler: string;
  readonly sandbox: Sandbox['kind'];
  readonly ccache: boolean;
  /** The optional series that were left out, because they do not apply to this tree. */
  readonly leftOut: readonly LeftOut[];
  /**
   * The config lines that the tree's Kconfig dropped. If a fragment demanded such a line, only a request with `onDropped: 'record'`
   * gets this kernel.
   */
  readonly dropped: DroppedLines;
  /** The number of objects that were compiled, including objects from ccache. An incremental build compiles few objects. */
  readonly objects: number;
  readonly cpuSeconds: number;
  readonly durationMs: number;
  /** The compiler's warnings, at most the first 200. */
  readonly warnings: readonly Diagnostic[];
}

interface KernelMeta extends BuildFacts {
  readonly store?: StoreOrigin;
  readonly release: string;
  readonly version: KernelVersion;
  readonly imageDigest: string;
  readonly modules?: {
    readonly all: readonly (Pick<MadeModule, 'name' | 'path'> & { readonly folder?: string })[];
    /** The names of the modules that a guest loads after boot, in this order. */
    readonly load: readonly string[];
  };
}

/** More stored files of a build. The key is the name in the cache, the value is the path below make's output folder obj/. */
const keptFiles: Readonly<Record<string, string>> = {
  vmlinux: 'vmlinux',
  'System.map': 'System.map',
  'kernel.config': '.config',
};
const releaseFile = 'include/config/kernel.release';

/** Returns the kernel with this key from the cache, or undefined when the cache lacks the kernel or its files are damaged. */
export async function findKernel(
  cacheRoot: string,
  key: string,
  arch: Architecture = defaultArch,
): Promise<BuiltKernel | undefined> {
  const { entry } = await findEntry(cacheRoot, 'kernel', key);
  return entry === undefined ? undefined : readKernel(arch, entry, true);
}

/** The facts about a kernel in splat's cache that `splat cache list` prints. */
interface ListedKernel {
  readonly release: string;
  readonly source: string;
  /** The shared store from which the kernel was fetched; absent for a kernel that this host compiled. */
  readonly store?: StoreOrigin;
}

/** Returns the facts about the kernel in a cache folder, or undefined when they are missing or damaged. Verifies no file. */
export async function describeStored(dir: string): Promise<ListedKernel | undefined> {
  try {
    const { meta } = JSON.parse(await readFile(join(dir, 'entry.json'), 'utf8')) as {
      readonly meta: Partial<KernelMeta>;
    };
    const { release, sourceName: source, store } = meta;
    if (typeof release === 'string' && typeof source === 'string') {
      return { release, source, ...(store === undefined ? {} : { store }) };
    }
  } catch {
    // The entry was removed meanwhile or is damaged. findKernel() reports a damaged entry.
  }
  return undefined;
}

export interface KernelToStore {
  readonly arch: Architecture;
  readonly cacheRoot: string;
  readonly key: string;
  readonly workspace: Workspace;
  readonly log: string;
  readonly version: KernelVersion;
  readonly facts: BuildFacts;
  readonly modules?: MadeModules;
  readonly signal: AbortSignal;
}

/** Copies what make built into the cache. Returns the kernel, or the path below obj/ of the first missing file. */
export async function storeKernel(
  request: KernelToStore,
): Promise<BuiltKernel | { readonly missing: string }> {
  const { arch, cacheRoot, key, workspace, log, version, facts, modules, signal } = request;
  const paths = new Map<string, string>();
  for (const [name, builtAs] of Object.entries({
    ...keptFiles,
    [arch.imageTarget]: arch.imagePath,
    release: releaseFile,
  })) {
    const path = await findBuilt(workspace, builtAs);
    if (path === undefined) return { missing: builtAs };
    paths.set(name, path);
  }
  const entry = await ensureEntry(cacheRoot, {
    kind: 'kernel',
    key,
    signal,
    make: async (dir): Promise<KernelMeta> => {
      for (const [name, path] of paths) await copyFile(path, join(dir, name));
      await copyFile(log, join(dir, 'build.log'));
      const image = await fileDigest(join(dir, arch.imageTarget));
      const release = (await readFile(join(dir, 'release'), 'utf8')).trim();
      const known = { ...facts, release, version };
      if (modules === undefined) return { ...known, imageDigest: image };
      const { digests, ...kept } = await storeModules(modules, release, dir);
      // A digest of the image alone is not enough, because a patch that changes only a module does not change the image.
      const imageDigest = digests.length === 0 ? image : valueDigest([image, digests]);
      return { ...known, imageDigest, modules: kept };
    },
  });
  return readKernel(arch, entry, false);
}

const archiveName = 'modules.cpio.gz';

/** Copies modules into the kernel's folder `dir` of the cache, and packs them for the guest without debug information. */
async function storeModules(
  { modules, load }: MadeModules,
  release: string,
  dir: string,
): Promise<NonNullable<KernelMeta['modules']> & { readonly digests: readonly string[] }> {
  const digests: string[] = [];
  for (const { path, file, stripped } of modules) {
    const copy = join(dir, 'modules', path);
    await makeFolder(dirname(copy));
    await copyFile(file, copy);
    digests.push(await fileDigest(stripped));
  }
  const files = await Promise.all(
    modules.map(async ({ path, stripped }) => ({ path, content: await readFile(stripped) })),
  );
  await writeFile(join(dir, archiveName), packModules(modules, files, release));
  const all = modules.map(({ name, path, folder }) => ({
    name,
    path,
    ...(folder === undefined ? {} : { folder }),
  }));
  return { all, load, digests };
}

function packModules(
  modules: readonly MadeModule[],
  files: readonly { readonly path: string; readonly content: Buffer }[],
  release: string,
): Buffer {
  const { dep, alias } = moduleIndex(modules);
  const indexes = { 'modules.dep': dep, 'modules.alias': alias };
  const all = [
    ...files,
    ...Object.entries(indexes).map(([path, text]) => ({ path, content: Buffer.from(text) })),
  ].map(({ path, content }) => ({ path: `${guestFolder(release)}/${path}`, content }));
  const folders = new Set(all.flatMap(({ path }) => parentsOf(path)));
  return gzipSync(
    writeCpio([
      ...[...folders].toSorted().map((path) => ({ type: 'directory', path, mode: 0o755 }) as const),
      ...all.map((one) => ({ type: 'file', mode: 0o644, ...one }) as const),
    ]),
  );
}

function guestFolder(release: string): string {
  return `/lib/modules/${release}`;
}

/** Returns the folders above a path: `/lib`, `/lib/modules`, ... for `/lib/modules/6.1.192/extra/foo.ko`. */
function parentsOf(path: string): readonly string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, at) => `/${parts.slice(0, at + 1).join('/')}`);
}

function readModules({ modules, release }: KernelMeta, dir: string): Pick<BuiltKernel, 'modules'> {
  if (modules === undefined || modules.all.length === 0) return {};
  const all = modules.all.map(({ name, path, folder }) => ({
    name,
    file: join(dir, 'modules', path),
    guestPath: `${guestFolder(release)}/${path}`,
    ...(folder === undefined ? {} : { folder }),
  }));
  const load = modules.load.flatMap((name) => all.find((one) => one.name === name) ?? []);
  return { modules: { archive: join(dir, archiveName), all, load } };
}

/** Returns the names of a kernel's files in the cache, all of which hosts share. `meta` has the stored facts of the kernel. */
export function kernelFiles(arch: Architecture, meta: unknown): readonly string[] {
  const { modules } = meta as Partial<KernelMeta>;
  const made = modules?.all.map(({ path }) => `modules/${path}`) ?? [];
  const archive = modules === undefined ? [] : [archiveName];
  return [...Object.keys(keptFiles), arch.imageTarget, 'release', 'build.log', ...archive, ...made];
}

/** Returns the kernel in an entry of the cache. `fromCache` tells whether the entry existed before this request. */
export function readKernel(arch: Architecture, entry: Entry, fromCache: boolean): BuiltKernel {
  const meta = entry.meta as KernelMeta;
  const { release, version, imageDigest, store, modules: _modules, ...known } = meta;
  // Earlier versions of splat, which did not write this field, stored only kernels without dropped lines.
  const facts = { ...known, dropped: known.dropped ?? nothingDropped };
  const inEntry = (name: string): string => join(entry.dir, name);
  return {
    id: entry.key,
    dir: entry.dir,
    arch,
    image: inEntry(arch.imageTarget),
    vmlinux: inEntry('vmlinux'),
    systemMap: inEntry('System.map'),
    config: inEntry('kernel.config'),
    buildLog: inEntry('build.log'),
    release,
    version,
    imageDigest,
    facts,
    ...readModules(meta, entry.dir),
    fromCache,
    ...(store === undefined ? {} : { store }),
  };
}
