import { constants } from 'node:fs';
import { copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { type Emit, inStage } from '../events.ts';
import type { Archive } from '../host/apt-archive.ts';
import { extractTarball } from '../host/archive.ts';
import { exportRevision } from '../host/borrow-repository.ts';
import { isCode, readIfThere } from '../host/disk.ts';
import { readRegular } from '../host/regular-file.ts';
import { resolveRevision } from '../host/revision.ts';
import { type Entry, ensureEntry, fileDigest, findEntry } from '../host/store.ts';
import { openDebian } from './debian-source.ts';
import { kconfigSymbols } from './kconfig.ts';
import type { Origin } from './origin.ts';
import { fetchSource } from './shared-source.ts';
import { ChangedWhileRead, whileUnchanging } from './unchanging.ts';
import { copyWorkingTree, describeWorkingTree } from './working-tree.ts';

/** The facts about a kernel tree that are known before the tree is in the cache. */
export interface SourceName {
  /** The key of the tree in splat's cache. Trees with equal keys are equal. */
  readonly id: string;
  /** The name of the tree in reports: `debian:6.1 (6.1.192-2)`. */
  readonly name: string;
  readonly version: KernelVersion;
}

/** An unpatched kernel tree in splat's cache. Nothing writes to it: builds use hard links to its files. */
export interface Source extends SourceName {
  /** The absolute path of the tree. */
  readonly tree: string;
  /** The symbols, without CONFIG_, that the Kconfig files of the tree define. */
  readonly symbols: ReadonlySet<string>;
}

/** VERSION and PATCHLEVEL of a kernel's top Makefile: [6, 12] for 6.12.117. As numbers, 6.12 is later than 6.2. */
export type KernelVersion = readonly [major: number, minor: number];

/** Compares two kernel versions for sorting. Negative when `a` is earlier, positive when `a` is later, 0 when they are equal. */
export function compareVersions(a: KernelVersion, b: KernelVersion): number {
  return a[0] - b[0] || a[1] - b[1];
}

/**
 * True when a kernel version is `from` or later, and earlier than `before`. Both are texts such as `6.12`. Without `before`,
 * every version from `from` on is in the range.
 */
export function isVersionIn(
  version: KernelVersion,
  range: { readonly from: string; readonly before?: string },
): boolean {
  const { from, before } = range;
  return (
    compareVersions(version, parseVersion(from)) >= 0 &&
    (before === undefined || compareVersions(version, parseVersion(before)) < 0)
  );
}

/**
 * Parses a kernel version such as `6.12`. Throws `internal` for any other text, because only splat's own tables contain
 * such versions.
 */
export function parseVersion(text: string): KernelVersion {
  const match = /^(\d+)\.(\d+)$/.exec(text);
  if (match === null) throw new HarnessError('internal', `not a kernel version: ${text}`);
  return [Number(match[1]), Number(match[2])];
}

export interface SourceOptions {
  readonly cacheRoot: string;
  readonly cwd: string;
  /** The archive with Debian's kernels; default: the archive that the host uses. */
  readonly archive?: Archive;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/**
 * Opens the kernel tree that a value of `--kernel` names. A tree that is not in the cache is first fetched or copied into the
 * cache. `spec` is `debian:6.1` (the newest linux-source-6.1 of any suite), `debian:newest`, a single version
 * (`debian:6.1.192-3[@sha256:HEX]`), a directory, `DIR@REV` (a commit of a git tree) or a tarball. A directory gives the files that
 * git tracks, as they are on disk; without git, all files except build products. Throws `usage` when the tree does not exist or is
 * no kernel, and `tool` when the tree cannot be fetched.
 */
export async function openSource(spec: string, options: SourceOptions): Promise<Source> {
  if (spec.startsWith('debian:')) {
    return openDebian(spec, options, (origin) => storeOrigin(origin, options));
  }
  return storeOrigin(await findOrigin(spec, options), options);
}

/**
 * Names the tree of a `debian:` kernel without fetching the tree: the name of the package has the version. Returns undefined for
 * any other value of `--kernel`, and for a version with a digest that only the shared store may have. Throws as openSource() does.
 */
export async function nameSource(
  spec: string,
  options: SourceOptions,
): Promise<SourceName | undefined> {
  if (!spec.startsWith('debian:')) return undefined;
  return openDebian(spec, options, async ({ key, name, series }) =>
    series === undefined ? undefined : { id: key, name, version: parseVersion(series) },
  );
}

/** The valid forms of `--kernel`, for messages. */
export const kernelForms = 'debian:X.Y, debian:newest, DIR, DIR@REV or a tarball';

async function findOrigin(spec: string, options: SourceOptions): Promise<Origin> {
  const path = resolve(options.cwd, spec);
  const found = await readIfThere(stat(path));
  if (found?.isDirectory() === true) return directoryOrigin(path, spec, options);
  if (found?.isFile() === true) return tarballOrigin(path, spec, options.signal);
  const at = spec.lastIndexOf('@');
  const dir = resolve(options.cwd, spec.slice(0, Math.max(at, 0)));
  if (at > 0 && (await readIfThere(stat(dir)))?.isDirectory() === true) {
    return revisionOrigin(dir, spec, options.signal);
  }
  throw new HarnessError(
    'usage',
    `kernel ${spec}: no such directory or tarball; a kernel is ${kernelForms}`,
  );
}

async function directoryOrigin(
  path: string,
  spec: string,
  options: SourceOptions,
): Promise<Origin> {
  await requireKernel(path, spec);
  const { cacheRoot, signal, emit } = options;
  const describe = async (isAgain: boolean): Promise<Origin> => {
    const text = `${isAgain ? 'it changed while it was copied; ' : ''}reading ${path}`;
    const onRead = (): void => emit({ kind: 'note', text });
    const described = await describeWorkingTree(path, { cacheRoot, signal, onRead, isAgain });
    return {
      spec,
      key: `directory_${described.digest.slice(0, 32)}`,
      name: path,
      fill: (tree) => copyWorkingTree(path, tree, described),
      readAgain: () => describe(true),
    };
  };
  return describe(false);
}

async function revisionOrigin(dir: string, spec: string, signal: AbortSignal): Promise<Origin> {
  const rev = spec.slice(spec.lastIndexOf('@') + 1);
  const revision = await resolveRevision(dir, rev, signal);
  return {
    spec,
    key: `git_${revision.treeId}`,
    name: `${dir}@${rev} (${revision.commitId.slice(0, 12)})`,
    fill: (tree) => exportRevision(revision, tree, signal),
  };
}

async function tarballOrigin(path: string, spec: string, signal: AbortSignal): Promise<Origin> {
  const digest = await fileDigest(path);
  return {
    spec,
    key: `tarball_${digest.slice(0, 32)}`,
    name: path,
    fill: async (tree) => {
      const own = `${tree}.packed`;
      // A copy is digested and unpacked, because the user's file may change at any time.
      await copyFile(path, own, constants.COPYFILE_FICLONE);
      if ((await fileDigest(own)) !== digest) {
        throw new ChangedWhileRead(`${path} changed while it was copied`);
      }
      await extractTarball(own, tree, signal, path);
      await rm(own);
    },
    readAgain: () => tarballOrigin(path, spec, signal),
  };
}

async function storeOrigin(origin: Origin, options: SourceOptions): Promise<Source> {
  const { cacheRoot, signal, emit } = options;
  const known = (await findEntry(cacheRoot, 'source', origin.key)).entry;
  const there = known ?? (await fetchSource(origin, options, completeTree(origin)));
  if (there !== undefined) return readSource(there, origin.name);
  const entry = await inStage(
    emit,
    'source',
    origin.name,
    () =>
      whileUnchanging(origin.name, async (isAgain) => {
        const now = isAgain ? ((await origin.readAgain?.()) ?? origin) : origin;
        return ensureEntry(cacheRoot, {
          kind: 'source',
          key: now.key,
          signal,
          digests: false,
          onWait: () => emit({ kind: 'note', text: `another splat is unpacking ${origin.name}` }),
          make: (dir) => makeSource(now, dir),
        });
      }),
    () => origin.name,
  );
  return readSource(entry, origin.name);
}

async function makeSource(origin: Origin, dir: string): Promise<unknown> {
  await origin.fill(join(dir, 'tree'));
  return { version: await completeTree(origin)(dir), ...origin.facts };
}

/**
 * Returns a function that completes a cache folder with a kernel tree. That function writes the tree's config symbols to
 * symbols.json, and returns the tree's version.
 */
function completeTree({ spec }: Origin): (dir: string) => Promise<KernelVersion> {
  return async (dir) => {
    const tree = join(dir, 'tree');
    const version = await requireKernel(tree, spec);
    await writeFile(join(dir, 'symbols.json'), JSON.stringify(await kconfigSymbols(tree)));
    return version;
  };
}

async function readSource(entry: Entry, name: string): Promise<Source> {
  const { version } = entry.meta as { readonly version: KernelVersion };
  const symbols = JSON.parse(
    await readFile(join(entry.dir, 'symbols.json'), 'utf8'),
  ) as readonly string[];
  return {
    id: entry.key,
    name,
    tree: join(entry.dir, 'tree'),
    version,
    symbols: new Set(symbols),
  };
}

/**
 * Reads the kernel version from the lines `VERSION = 6` and `PATCHLEVEL = 1` in the top Makefile of a tree. Throws `usage` when
 * these lines are missing.
 */
async function requireKernel(tree: string, spec: string): Promise<KernelVersion> {
  const makefile = await readMakefile(join(tree, 'Makefile'));
  const major = /^VERSION\s*=\s*(\d+)\s*$/m.exec(makefile)?.[1];
  const minor = /^PATCHLEVEL\s*=\s*(\d+)\s*$/m.exec(makefile)?.[1];
  if (major === undefined || minor === undefined) {
    const message = `kernel ${spec}: not a kernel source: it has no Makefile that sets VERSION and PATCHLEVEL`;
    throw new HarnessError('usage', message);
  }
  return [Number(major), Number(minor)];
}

/** The largest Makefile that is read. The top Makefile of Linux 7.3 has 70 KiB. */
const largestMakefileBytes = 1024 * 1024;

/** Returns the text of a Makefile, or '' when the file is missing, a link, no regular file, or larger than 1 MiB. */
async function readMakefile(path: string): Promise<string> {
  const options = { largestBytes: largestMakefileBytes, links: 'refuse' } as const;
  const bytes = await readIfThere(readRegular(path, options)).catch((error: unknown) => {
    if (!isHarnessError(error, 'usage') && !isCode(error, 'ELOOP')) throw error;
  });
  return bytes?.toString('utf8') ?? '';
}
