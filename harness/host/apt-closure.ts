import { join } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { fetchPackages, isVersion, type PackageVersion } from './apt-packages.ts';
import { type AptConfig, aptTool } from './apt-tool.ts';
import { makeFolder } from './disk.ts';
import { runTool } from './process.ts';

/** A package to fetch, in one version. */
export interface PlannedPackage extends PackageVersion {
  readonly name: string;
  /** The size of the package file in bytes. */
  readonly bytes: number;
  /** The size of the unpacked files on a disk in bytes, from the package's field Installed-Size. 0 when that field is missing. */
  readonly unpackedBytes: number;
}

/** The packages that are wanted, and how they are chosen. */
export interface WantedPackages {
  /** Names of packages: `NAME`, or `NAME=VERSION` for a certain version. */
  readonly names: readonly string[];
  /**
   * The suite that apt prefers. When absent, apt takes the newest version outside of backports and experimental; apt takes a
   * version from backports or experimental only when no other suite has the package.
   */
  readonly suite?: string;
  /** Packages whose names begin with one of these words are left out, even when other packages depend on them. */
  readonly without: readonly string[];
}

/**
 * Returns the wanted packages and all packages that they depend on, as apt would install them on an empty system. Packages that are
 * only recommended, and packages that `without` names, are left out. Each package has a single version, with the digest that Debian
 * signed. Throws `tool` when a wanted package is in no suite, and when apt finds no versions that fit together.
 */
export async function packageClosure(
  apt: AptConfig,
  wanted: WantedPackages,
  signal: AbortSignal,
): Promise<readonly PlannedPackage[]> {
  const suite = wanted.suite === undefined ? [] : [`--target-release=${wanted.suite}`];
  const args = ['install', '--quiet', '--quiet', '--yes', '--no-install-recommends', ...suite];
  const asked = ['--print-uris', ...wanted.names];
  const stdout = await planInstall(apt, [...args, ...asked], signal);
  const named = stdout.split('\n').flatMap((line) => namesOf(line) ?? []);
  const kept = named.filter(({ name }) => !wanted.without.some((start) => name.startsWith(start)));
  const known = await describePackages(apt, kept, signal);
  return kept.map(({ name, version }) => {
    const found = known.get(`${name}=${version}`);
    if (found === undefined)
      throw new HarnessError(
        'tool',
        `the package lists of Debian that splat read have no ${name} ${version}`,
      );
    return { name, version, ...found };
  });
}

/**
 * Returns the name and version in a line that apt-get(8) prints, such as `'URI' libdrm2_2.4.134-3_amd64.deb 38528 SHA256:...`, in
 * which `%3a` stands for the colon of a version. Returns undefined for every other line.
 */
function namesOf(line: string): { readonly name: string; readonly version: string } | undefined {
  const [, name = '', encoded = ''] =
    /^'\S+' ([a-z0-9][a-z0-9.+-]*)_([^_\s]+)_\w+\.deb \d+/.exec(line) ?? [];
  const version = encoded.replaceAll('%3a', ':');
  return isVersion(version) ? { name, version } : undefined;
}

/**
 * Returns the lines in which apt-get(8) lists the packages that it would fetch. Throws `tool` when no versions fit together; the
 * message has the reason that apt gives.
 */
async function planInstall(
  apt: AptConfig,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  try {
    return (await aptTool(apt, 'apt-get', args, signal)).stdout;
  } catch (error) {
    const why = isHarnessError(error, 'tool') ? /^E: (.+)$/m.exec(error.output ?? '') : null;
    if (why === null) throw error;
    throw new HarnessError('tool', `Debian cannot provide the requested packages: ${why[1]}`, {
      cause: error,
    });
  }
}

async function describePackages(
  apt: AptConfig,
  packages: readonly Pick<PlannedPackage, 'name' | 'version'>[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Omit<PlannedPackage, 'name' | 'version'>>> {
  const stanzas = await packageStanzas(apt, packages, signal);
  return new Map(
    [...stanzas].flatMap(([key, stanza]) => {
      const sha256 = fieldOf(stanza, 'SHA256');
      if (!/^[0-9a-f]{64}$/.test(sha256)) return [];
      const bytes = Number(fieldOf(stanza, 'Size'));
      const unpackedBytes = Number(fieldOf(stanza, 'Installed-Size')) * 1024;
      return [[key, { sha256, bytes, unpackedBytes }] as const];
    }),
  );
}

/**
 * Returns the paragraphs (deb822(5)) about packages in Debian's signed lists. The key is `NAME=VERSION`. The map has no entry for a
 * package that is not in the lists. Throws `tool` when the lists have none of the packages.
 */
export async function packageStanzas(
  apt: AptConfig,
  packages: readonly Pick<PlannedPackage, 'name' | 'version'>[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const versions = packages.map(({ name, version }) => `${name}=${version}`);
  const { stdout } = await aptTool(apt, 'apt-cache', ['show', ...versions], signal);
  const stanzas = stdout.split(/\n\n+/).map((text) => text.trim());
  return new Map(
    stanzas.map((stanza) => [
      `${fieldOf(stanza, 'Package')}=${fieldOf(stanza, 'Version')}`,
      stanza,
    ]),
  );
}

function fieldOf(stanza: string, key: string): string {
  return new RegExp(`^${key}: (\\S+)$`, 'm').exec(stanza)?.[1] ?? '';
}

/**
 * Fetches packages into `dir/packages`, unpacks all of them together into the folder `dir/root`, and returns the path of
 * `dir/root`. Throws `tool` as fetchPackages() does.
 */
export async function unpackPackages(
  apt: AptConfig,
  packages: readonly PlannedPackage[],
  dir: string,
  signal: AbortSignal,
): Promise<string> {
  const [downloads, root] = [join(dir, 'packages'), join(dir, 'root')];
  await makeFolder(downloads);
  await makeFolder(root);
  const files = await fetchPackages(apt, packages, downloads, signal);
  for (const file of files) await runTool('dpkg-deb', ['--extract', file, root], { signal });
  return root;
}
