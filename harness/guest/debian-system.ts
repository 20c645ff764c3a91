import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { oneRelease, openApt } from '../host/apt.ts';
import type { Archive } from '../host/apt-archive.ts';
import { type PlannedPackage, packageClosure, packageStanzas } from '../host/apt-closure.ts';
import { downloadPackage, fetchPackages, packageVersions } from '../host/apt-packages.ts';
import type { AptConfig } from '../host/apt-tool.ts';
import { makeFolder } from '../host/disk.ts';
import { packageRoot } from '../host/package-root.ts';
import { runTool } from '../host/process.ts';
import { runAsRoot } from '../host/root-sandbox.ts';
import { ensureShared } from '../host/shared/exchange.ts';
import { fileDigest, removeTree, valueDigest } from '../host/store.ts';
import type { SystemDisk } from './argv.ts';
import { noting } from './tools-image.ts';

/** The content of guests/debian/recipe.json. */
interface Recipe {
  readonly required: { readonly packages: readonly string[] };
  readonly chosen: readonly { readonly packages: readonly string[] }[];
}

/** The request for a disk image with a Debian for guests. */
export interface SystemRequest {
  /** The codename of the Debian release, such as `bookworm`. */
  readonly release: string;
  /** Names of packages in addition to those of the recipe. */
  readonly packages: readonly string[];
  readonly cacheRoot: string;
  /** The Debian archive to fetch from. Absent: the archive that this host uses. */
  readonly archive?: Archive;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** The version of the code below that makes the disk. Raise it when this code changes, so that old disks are not used. */
const making = 1;

/**
 * Returns a disk image with a Debian for guests. Takes it from the cache or a shared store, or makes it. Packages are fetched and
 * checked against the digests in Debian's signed lists. Debian's mmdebstrap(1) installs them in the sandbox, so their scripts
 * have no network. Throws `tool` when Debian cannot be reached, no longer has a package, or cannot be installed.
 */
export async function ensureSystem(request: SystemRequest): Promise<SystemDisk> {
  const { cacheRoot, signal, emit, release } = request;
  const text = await readFile(join(packageRoot(), 'guests', 'debian', 'recipe.json'), 'utf8');
  const recipe = JSON.parse(text) as Recipe;
  const names = [...recipe.required.packages, ...recipe.chosen.flatMap((one) => one.packages)];
  const wanted = [...new Set([...names, ...request.packages])].toSorted();
  const key = `debian_${release}_${valueDigest([wanted, making]).slice(0, 16)}`;
  const entry = await ensureShared(
    {
      kind: 'guest',
      key,
      filesOf: () => ['disk'],
      check: ({ meta, files }) =>
        digestIn(meta) === files[0]?.sha256 ? undefined : 'its facts name another disk',
    },
    async (dir) => {
      const apt = await openApt({
        ...request,
        onRefresh: (mirror) =>
          emit({ kind: 'note', text: `asking ${mirror} for Debian ${release}` }),
      });
      const packages = await makeDisk(wanted, await oneRelease(apt, release), {
        dir,
        release,
        signal,
        emit,
      });
      const sha256 = await fileDigest(join(dir, 'disk'));
      return { name: `debian:${release}`, sha256, packages };
    },
    noting({ cacheRoot, signal, emit }),
  );
  const sha256 = digestIn(entry.meta);
  return { id: `${key}_${sha256.slice(0, 16)}`, path: join(entry.dir, 'disk') };
}

function digestIn(meta: unknown): string {
  return (meta as { readonly sha256: string }).sha256;
}

interface Making {
  readonly dir: string;
  readonly release: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** The paths in the sandbox of three folders: the fetched packages, the program mmdebstrap, and the folder to work in. */
const inside = { packages: '/splat/packages', maker: '/splat/maker', work: '/splat/work' } as const;

/** A shell command that removes documentation, which is half of some packages and which nobody reads in a guest. */
const removeTexts =
  'cd "$1/usr/share" && rm -rf doc/* doc-base/* info/* locale/* man/* lintian/* bug/*';

/**
 * Makes the file `dir/disk`: an EROFS image with the packages `names` and all packages that they depend on. Leaves nothing else
 * in `dir`. Returns the packages in the image.
 */
async function makeDisk(
  names: readonly string[],
  apt: AptConfig,
  { dir, release, signal, emit }: Making,
): Promise<readonly PlannedPackage[]> {
  const packages = await packageClosure(apt, { names, without: [] }, signal);
  const size = `${megabytes(packages.map(({ bytes }) => bytes))} in ${packages.length} packages`;
  const unpacked = megabytes(packages.map(({ unpackedBytes }) => unpackedBytes));
  emit({ kind: 'note', text: `fetching Debian ${release}: ${size}, ${unpacked} unpacked` });
  const [downloads, maker, work] = ['packages', 'maker', 'work'].map((name) => join(dir, name));
  if (downloads === undefined || maker === undefined || work === undefined) return [];
  for (const folder of [downloads, maker, work]) await makeFolder(folder);
  await makeRepository(apt, packages, downloads, signal);
  await fetchMaker(apt, maker, signal);
  const mounts = [
    { host: downloads, inside: inside.packages, writable: false },
    { host: maker, inside: inside.maker, writable: false },
    { host: work, inside: inside.work, writable: true },
  ];
  const root = `${inside.work}/root`;
  const asRoot = async (program: string, args: readonly string[]): Promise<void> =>
    runAsRoot(program, args, { mounts, signal });
  try {
    emit({ kind: 'note', text: `installing Debian ${release} in the sandbox` });
    await asRoot('perl', [
      `${inside.maker}/usr/bin/mmdebstrap`,
      // The packages were chosen before. Nothing is mounted below the root, because the sandbox cannot mount.
      '--mode=root',
      '--variant=custom',
      '--format=directory',
      '--skip=chroot/mount,check/qemu,check/empty',
      `--include=${names.join(',')}`,
      // Writes need not be synced: if the host dies, the disk is made again.
      '--dpkgopt=force-unsafe-io',
      `--customize-hook=${removeTexts}`,
      release,
      root,
      `deb [trusted=yes] copy:${inside.packages} ./`,
    ]);
    const image = ['-zlz4', '-C65536', '-T0', '--all-root', '-x-1', '--quiet'];
    await asRoot('mkfs.erofs', [...image, `${inside.work}/disk`, root]);
  } finally {
    // The files belong to users of the sandbox, so only the sandbox's root can remove them.
    await runAsRoot('rm', ['-rf', root], { mounts, signal: new AbortController().signal });
  }
  await rename(join(work, 'disk'), join(dir, 'disk'));
  for (const folder of [downloads, maker, work]) await removeTree(folder);
  return packages;
}

function megabytes(sizes: readonly number[]): string {
  return `${(sizes.reduce((sum, bytes) => sum + bytes, 0) / 1e6).toFixed(0)} MB`;
}

/**
 * Fetches the packages into the folder `dir` and makes this folder a Debian repository. Its file `Packages` describes the
 * packages as Debian's signed lists do.
 */
async function makeRepository(
  apt: AptConfig,
  packages: readonly PlannedPackage[],
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const files = await fetchPackages(apt, packages, dir, signal);
  const stanzas = await packageStanzas(apt, packages, signal);
  const lines = packages.map(({ name, version }, at) => {
    const stanza = stanzas.get(`${name}=${version}`) ?? '';
    return stanza.replace(/^Filename: .*$/m, () => `Filename: ./${basename(files[at] ?? '')}`);
  });
  await writeFile(join(dir, 'Packages'), `${lines.join('\n\n')}\n`);
}

/** Fetches the package mmdebstrap of the release, whose program is a single script, and unpacks it into the folder `dir`. */
async function fetchMaker(apt: AptConfig, dir: string, signal: AbortSignal): Promise<void> {
  const name = 'mmdebstrap';
  const [version] = await packageVersions(apt, name, signal);
  if (version === undefined)
    throw new HarnessError('tool', `the package lists of Debian have no ${name}`);
  const file = await downloadPackage(apt, { name, ...version }, dir, signal);
  await runTool('dpkg-deb', ['--extract', file, dir], { signal });
  await rm(file);
}
