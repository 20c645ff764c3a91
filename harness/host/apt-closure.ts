import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Apt } from './apt.ts';
import { fetchPackages, isVersion, type PackageVersion } from './apt-packages.ts';
import { aptTool } from './apt-tool.ts';
import { makeFolder } from './disk.ts';
import { runTool } from './process.ts';

/** A package to fetch. */
export interface PlannedPackage extends PackageVersion {
  readonly name: string;
  /** Size of the package file. */
  readonly bytes: number;
}

/** What is wanted of Debian. */
export interface WantedPackages {
  /** `NAME` or `NAME=VERSION`. */
  readonly names: readonly string[];
  /** The suite that is preferred; absent: whichever has the newest. */
  readonly suite?: string;
  /** Packages whose names begin so are left out, with no regard to who depends on them. */
  readonly without: readonly string[];
}

/**
 * Packages with all their dependencies, as apt would install them on an empty system: one version of each package, with
 * the digest that Debian signed. Throws `tool` when no suite has one of the packages or apt finds no versions that fit together.
 */
export async function packageClosure(
  apt: Pick<Apt, 'dir'>,
  wanted: WantedPackages,
  signal: AbortSignal,
): Promise<readonly PlannedPackage[]> {
  const suite = wanted.suite === undefined ? [] : [`--target-release=${wanted.suite}`];
  const args = ['install', '--quiet', '--quiet', '--yes', '--no-install-recommends', ...suite];
  const asked = ['--print-uris', ...wanted.names];
  const { stdout } = await aptTool(apt, 'apt-get', [...args, ...asked], signal);
  const named = stdout.split('\n').flatMap((line) => namesOf(line) ?? []);
  const kept = named.filter(({ name }) => !wanted.without.some((start) => name.startsWith(start)));
  const known = await describePackages(apt, kept, signal);
  return kept.map(({ name, version }) => {
    const found = known.get(`${name}=${version}`);
    if (found === undefined) throw new HarnessError('tool', `apt knows no ${name} ${version}`);
    return { name, version, ...found };
  });
}

/**
 * The name and version in a line `'URI' libdrm2_2.4.134-3_amd64.deb 38528 SHA256:...`, in which `%3a` stands for the
 * colon of a version.
 */
function namesOf(line: string): { readonly name: string; readonly version: string } | undefined {
  const [, name = '', encoded = ''] =
    /^'\S+' ([a-z0-9][a-z0-9.+-]*)_([^_\s]+)_\w+\.deb \d+/.exec(line) ?? [];
  const version = encoded.replaceAll('%3a', ':');
  return isVersion(version) ? { name, version } : undefined;
}

async function describePackages(
  apt: Pick<Apt, 'dir'>,
  packages: readonly { readonly name: string; readonly version: string }[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, { readonly sha256: string; readonly bytes: number }>> {
  const asked = packages.map(({ name, version }) => `${name}=${version}`);
  const { stdout } = await aptTool(apt, 'apt-cache', ['show', ...asked], signal);
  return new Map(
    stdout.split(/\n\n+/).flatMap((stanza) => {
      const field = (key: string): string =>
        new RegExp(`^${key}: (\\S+)$`, 'm').exec(stanza)?.[1] ?? '';
      const sha256 = field('SHA256');
      if (!/^[0-9a-f]{64}$/.test(sha256)) return [];
      const key = `${field('Package')}=${field('Version')}`;
      return [[key, { sha256, bytes: Number(field('Size')) }] as const];
    }),
  );
}

/** Fetches packages into `dir/packages`, unpacks all of them into the folder `dir/root`, and returns that folder. */
export async function unpackPackages(
  apt: Pick<Apt, 'dir'>,
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
