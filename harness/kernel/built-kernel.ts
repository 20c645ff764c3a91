import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, defaultArch } from '../arch.ts';
import type { Sandbox } from '../host/sandbox.ts';
import { type Entry, ensureEntry, fileDigest, findEntry } from '../host/store.ts';
import type { LeftOut } from '../patch/apply.ts';
import type { Diagnostic } from '../records/build.ts';
import type { DroppedLines } from '../records/journal.ts';
import { nothingDropped } from './config.ts';
import { findBuilt } from './make.ts';
import type { KernelVersion } from './source.ts';
import type { Workspace } from './workspace.ts';

/** A kernel in the store. Paths are absolute and stay until the entry is pruned. */
export interface BuiltKernel {
  /** The key of the store entry. */
  readonly id: string;
  readonly dir: string;
  readonly arch: Architecture;
  /** The file for QEMU's -kernel. */
  readonly image: string;
  /** With DWARF; its source paths begin with /splat/src/. */
  readonly vmlinux: string;
  readonly systemMap: string;
  /** The final .config. */
  readonly config: string;
  readonly buildLog: string;
  /** `uname -r`: `6.1.192`. */
  readonly release: string;
  readonly version: KernelVersion;
  /** SHA-256 of the image. Kernels with equal images are the same to a guest. */
  readonly imageDigest: string;
  readonly facts: BuildFacts;
  readonly fromCache: boolean;
}

/** Facts about the build, measured when the kernel was built. */
export interface BuildFacts {
  readonly sourceName: string;
  readonly compiler: string;
  readonly sandbox: Sandbox['kind'];
  readonly ccache: boolean;
  /** Optional series that were left out. */
  readonly leftOut: readonly LeftOut[];
  /**
   * The config lines that this tree's Kconfig dropped. When demands are among them, only a request with `onDropped:
   * 'record'` gets the kernel.
   */
  readonly dropped: DroppedLines;
  /** Number of compiled objects, those from ccache included; an incremental build compiles few. */
  readonly objects: number;
  readonly cpuSeconds: number;
  readonly durationMs: number;
  readonly warnings: readonly Diagnostic[];
}

interface KernelMeta extends BuildFacts {
  readonly release: string;
  readonly version: KernelVersion;
  readonly imageDigest: string;
}

/** By name in the entry: the path below obj/. The image is added by its architecture. */
const keptFiles: Readonly<Record<string, string>> = {
  vmlinux: 'vmlinux',
  'System.map': 'System.map',
  'kernel.config': '.config',
};
const releaseFile = 'include/config/kernel.release';

/** The kernel with this key; undefined when the store does not have it. */
export async function findKernel(
  cacheRoot: string,
  key: string,
  arch: Architecture = defaultArch,
): Promise<BuiltKernel | undefined> {
  const { entry } = await findEntry(cacheRoot, 'kernel', key);
  return entry === undefined ? undefined : readKernel(arch, entry, true);
}

/** Release and source of a stored kernel, for a list; undefined when its folder does not have them. Not verified. */
export async function describeStored(
  dir: string,
): Promise<{ readonly release: string; readonly source: string } | undefined> {
  try {
    const { meta } = JSON.parse(await readFile(join(dir, 'entry.json'), 'utf8')) as {
      readonly meta: Partial<KernelMeta>;
    };
    const { release, sourceName: source } = meta;
    if (typeof release === 'string' && typeof source === 'string') return { release, source };
  } catch {
    // Removed meanwhile, or damaged; findKernel() reports the latter.
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
  readonly signal: AbortSignal;
}

/** Copies the results of make in obj/ into the store, or names the first missing file. */
export async function storeKernel(
  request: KernelToStore,
): Promise<BuiltKernel | { readonly missing: string }> {
  const { arch, cacheRoot, key, workspace, log, version, facts, signal } = request;
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
      const imageDigest = await fileDigest(join(dir, arch.imageTarget));
      const release = (await readFile(join(dir, 'release'), 'utf8')).trim();
      return { ...facts, release, version, imageDigest };
    },
  });
  return readKernel(arch, entry, false);
}

function readKernel(arch: Architecture, entry: Entry, fromCache: boolean): BuiltKernel {
  const { release, version, imageDigest, ...known } = entry.meta as KernelMeta;
  // Entries of earlier versions hold only kernels without dropped lines.
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
    fromCache,
  };
}
