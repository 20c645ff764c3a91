import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Apt } from './apt.ts';
import { fetchPackages, isVersion, type PackageVersion } from './apt-packages.ts';
import { aptTool } from './apt-tool.ts';
import { makeFolder } from './disk.ts';
import { runTool } from './process.ts';

/** A package that is to be fetched. */
export interface PlannedPackage extends PackageVersion {
  readonly name: string;
  /** Of the package file. */
  readonly bytes: number;
}

/**
 * A package with everything it depends on, as apt would install it on a system that has nothing: of each package one version,
 * with the digest Debian has signed. Packages whose names begin with one of `without` are left out, with no regard to who
 * depends on them. Throws `tool` when no suite has the package, or apt finds no versions that go together.
 */
export async function packageClosure(
  apt: Pick<Apt, 'dir'>,
  wanted: { readonly name: string; readonly version: string; readonly without: readonly string[] },
  signal: AbortSignal,
): Promise<readonly PlannedPackage[]> {
  const asked = `${wanted.name}=${wanted.version}`;
  const args = ['install', '--quiet', '--quiet', '--yes', '--no-install-recommends'];
  const { stdout } = await aptTool(apt, 'apt-get', [...args, '--print-uris', asked], signal);
  const named = stdout.split('\n').flatMap((line) => namesOf(line) ?? []);
  const kept = named.filter(({ name }) => !wanted.without.some((start) => name.startsWith(start)));
  const known = await describePackages(apt, kept, signal);
  return kept.map(({ name, version }) => {
    const found = known.get(`${name}=${version}`);
    if (found === undefined) throw new HarnessError('tool', `apt knows no ${name} ${version}`);
    return { name, version, ...found };
  });
}

/** Of a line `'URI' libdrm2_2.4.134-3_amd64.deb 38528 SHA256:...`; a colon of a version is `%3a` in it. */
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

/** Fetches packages into `dir/packages` and unpacks them, one over the other, into the folder `dir/root`, which is returned. */
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
