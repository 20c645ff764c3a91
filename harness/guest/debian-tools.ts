import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openApt } from '../host/apt.ts';
import { makeFolder } from '../host/disk.ts';
import { packageRoot } from '../host/package-root.ts';
import { ensureShared } from '../host/shared/exchange.ts';
import { fileDigest, removeTree, valueDigest } from '../host/store.ts';
import type { ToolsDisk } from './argv.ts';
import type { IgtOptions } from './igt.ts';
import {
  fetchTools,
  layOutTools,
  libraryFolder,
  noting,
  packTools,
  toolsDisk,
} from './tools-image.ts';

/**
 * The content of guests/tools/bundle.json: which files of which Debian packages go into the disk of tools. A file has the same
 * path in its package and in the disk.
 */
interface Bundle {
  readonly suite: string;
  readonly packages: readonly string[];
  readonly programs: readonly string[];
  readonly data: readonly string[];
  readonly drivers: { readonly names: readonly string[] };
  readonly opened: readonly string[];
  readonly without: { readonly names: readonly string[] };
}

/**
 * The version of the code that packs the disk. Raise this number when other files are packed, or in another way, so that old
 * disks are not used.
 */
const packing = 1;

/**
 * Returns the disk with the programs of guests/tools/bundle.json. Takes it from the cache or a shared store, or fetches the
 * packages and packs it. A disk that is in the cache needs no network. Throws `tool` when Debian cannot be reached or no longer
 * has a package.
 */
export async function ensureDebianTools(options: IgtOptions): Promise<ToolsDisk> {
  const { cacheRoot, signal, emit } = options;
  const path = join(packageRoot(), 'guests', 'tools', 'bundle.json');
  const bundle = JSON.parse(await readFile(path, 'utf8')) as Bundle;
  const key = `debian-tools_${valueDigest([bundle, packing]).slice(0, 16)}`;
  const entry = await ensureShared(
    toolsDisk(key),
    async (dir) => {
      const text = (mirror: string): string => `asking ${mirror} for ${bundle.packages.join(', ')}`;
      const apt = await openApt({
        cacheRoot,
        signal,
        onRefresh: (mirror) => emit({ kind: 'note', text: text(mirror) }),
      });
      const { packages, suite } = bundle;
      const wanted = { names: packages, suite, without: bundle.without.names };
      const name = `${packages.join(', ')} of Debian ${suite}`;
      const fetched = await fetchTools(name, wanted, apt, { dir, signal, emit });
      await pack(bundle, fetched.root, dir, signal);
      const sha256 = await fileDigest(join(dir, 'disk'));
      return { name, packages: fetched.packages, sha256 };
    },
    noting(options),
  );
  const env = ['--env', `LD_LIBRARY_PATH=${libraryFolder}`];
  const warmUp = ['/bin/tools', ...env, '--', '/usr/bin/modetest', '-h'];
  // A saved guest has already read from its disk. A disk that was made again, with newer packages, must have another id.
  const { sha256 = '' } = entry.meta as { readonly sha256?: string };
  return { id: `${entry.key}_${sha256.slice(0, 16)}`, path: join(entry.dir, 'disk'), warmUp };
}

async function pack(bundle: Bundle, root: string, dir: string, signal: AbortSignal): Promise<void> {
  const tree = join(dir, 'tree');
  await makeFolder(tree);
  const copied = [...bundle.programs, ...bundle.data, ...bundle.drivers.names];
  const programs = [...bundle.programs, ...bundle.drivers.names].map((path) => join(root, path));
  const folders = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib', 'lib'];
  await layOutTools(
    {
      copies: Object.fromEntries(copied.map((path) => [path, join(root, path)])),
      programs,
      opened: bundle.opened,
      libraryFolders: folders.map((path) => join(root, path)),
      loader: join(root, 'lib/x86_64-linux-gnu', 'ld-linux-x86-64.so.2'),
    },
    tree,
    signal,
  );
  await packTools(tree, join(dir, 'disk'), signal);
  await removeTree(tree);
  await removeTree(join(dir, 'scratch'));
}
