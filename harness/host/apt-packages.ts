import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { type AptConfig, aptTool } from './apt-tool.ts';
import { fileDigest } from './store.ts';

/** A version of a package of Debian, with the digest of its file. */
export interface PackageVersion {
  /** A version of deb-version(7): `7.3.4-1~bpo13+1`. */
  readonly version: string;
  /** SHA-256 of the package file, in hex, from the signed lists. */
  readonly sha256: string;
}

/** Returns the names of the packages that match a regular expression of apt-cache(8), sorted. */
export async function packageNames(
  apt: AptConfig,
  pattern: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const args = ['search', '--names-only', pattern];
  const { stdout } = await aptTool(apt, 'apt-cache', args, signal);
  return [...stdout.matchAll(/^(\S+) - /gm)].flatMap(([, name]) => name ?? []).toSorted();
}

/**
 * Returns every version of a package in the suites of Debian that splat reads, newest first, each once. Returns an empty list when
 * no suite has the package.
 */
export async function packageVersions(
  apt: AptConfig,
  name: string,
  signal: AbortSignal,
): Promise<readonly PackageVersion[]> {
  const args = ['show', '--all-versions', name];
  const { stdout } = await aptTool(apt, 'apt-cache', args, signal, { okCodes: [0, 100] });
  const found = stdout.split(/\n\n+/).flatMap((stanza) => {
    const field = (key: string): string | undefined =>
      new RegExp(`^${key}: (\\S+)$`, 'm').exec(stanza)?.[1];
    const [version, sha256] = [field('Version'), field('SHA256')];
    const whole = version !== undefined && isVersion(version) && sha256 !== undefined;
    return field('Package') === name && whole ? [{ version, sha256 }] : [];
  });
  return found.filter(
    ({ version }, at) => found.findIndex((one) => one.version === version) === at,
  );
}

/** True for a version as deb-version(7) describes it. */
export function isVersion(text: string): boolean {
  return /^[0-9][A-Za-z0-9.+~:-]*$/.test(text);
}

/**
 * Fetches a package into the folder `dir` and returns the path of its .deb file. Throws `tool` when apt cannot download the
 * package, for example because the mirror no longer has it. Throws `tool`, too, when the file's digest is not the one in `wanted`.
 */
export async function downloadPackage(
  apt: AptConfig,
  wanted: { readonly name: string } & PackageVersion,
  dir: string,
  signal: AbortSignal,
): Promise<string> {
  const [path = ''] = await fetchPackages(apt, [wanted], dir, signal);
  return path;
}

/**
 * Fetches packages into the folder `dir` with one run of apt-get(8). Returns the paths of the .deb files, in the order of
 * `wanted`. Throws `tool` as downloadPackage() does, and then deletes a file that has the wrong digest.
 */
export async function fetchPackages(
  apt: AptConfig,
  wanted: readonly ({ readonly name: string } & PackageVersion)[],
  dir: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const versions = wanted.map(({ name, version }) => `${name}=${version}`);
  try {
    await aptTool(apt, 'apt-get', ['download', '--quiet', ...versions], signal, { cwd: dir });
  } catch (error) {
    if (!isHarnessError(error, 'tool')) throw error;
    const { output = '' } = error;
    const why = /^[EW]: (?:Failed to fetch \S+ +)?(.+)$/m.exec(output)?.[1];
    const named = versions.length === 1 ? versions.join('') : `${versions.length} packages`;
    const message = `apt cannot download ${named}${why === undefined ? '' : `: ${why}`}`;
    throw new HarnessError('tool', message, { cause: error, output });
  }
  const files = await readdir(dir);
  const paths: string[] = [];
  for (const [at, { name, sha256 }] of wanted.entries()) {
    const file = files.find((one) => one.startsWith(`${name}_`) && one.endsWith('.deb'));
    if (file === undefined)
      throw new HarnessError('tool', `apt-get download ${versions[at]} wrote no package file`);
    const path = join(dir, file);
    // apt compares the file with the digest in its lists; this code compares the file with the digest that the caller gave.
    const got = await fileDigest(path);
    if (got !== sha256) {
      await rm(path);
      throw new HarnessError(
        'tool',
        `the downloaded package ${versions[at]} has SHA-256 ${got}, not ${sha256}`,
      );
    }
    paths.push(path);
  }
  return paths;
}
