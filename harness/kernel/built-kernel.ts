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
  /** What QEMU's -kernel takes. */
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
  /** SHA-256 of the image: equal for kernels a guest cannot tell apart. */
  readonly imageDigest: string;
  readonly facts: BuildFacts;
  readonly fromCache: boolean;
}

/** What making it took, as measured when it was made. */
export interface BuildFacts {
  readonly sourceName: string;
  readonly compiler: string;
  readonly sandbox: Sandbox['kind'];
  readonly ccache: boolean;
  /** Optional series that are not in it. */
  readonly leftOut: readonly LeftOut[];
  /** What this tree's Kconfig did not keep; with demands among it only who asked to record them gets the kernel. */
  readonly dropped: DroppedLines;
  /** Object files compiled, those from ccache included; an incremental build compiles few. */
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

/** Entry name to the path below obj/, besides the image. */
const keptFiles: Readonly<Record<string, string>> = {
  vmlinux: 'vmlinux',
  'System.map': 'System.map',
  'kernel.config': '.config',
};
const releaseFile = 'include/config/kernel.release';

/** The kernel of a key when the store has it. */
export async function findKernel(
  cacheRoot: string,
  key: string,
  arch: Architecture = defaultArch,
): Promise<BuiltKernel | undefined> {
  const { entry } = await findEntry(cacheRoot, 'kernel', key);
  return entry === undefined ? undefined : readKernel(arch, entry, true);
}

/** What a list says of a kernel in the store; undefined when its folder does not tell. Nothing of it is verified. */
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
    // Removed meanwhile, or damaged: the store itself says so when it is asked for.
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

/** Copies what make left in obj/ into the store, or says which file is not there. */
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
  // Entries of earlier versions hold only kernels that dropped nothing.
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
