import { access, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import { makeFolder } from './disk.ts';
import { runTool } from './process.ts';
import { ensureEntry, findEntry, valueDigest } from './store.ts';

/** A version of a Debian package and how its tarball is had. */
export interface DebianVersion {
  readonly version: string;
  /** The installed package's tarball, when that is the version. */
  readonly installedTarball?: string;
}

/**
 * The newest version of `linux-source-X` that apt or dpkg knows, or undefined when there is none or no apt. The answer is
 * remembered until apt's lists, its sources or the installed packages change: apt takes most of a second for it.
 */
export async function newestSourcePackage(
  name: string,
  { cacheRoot, signal }: { readonly cacheRoot: string; readonly signal: AbortSignal },
): Promise<DebianVersion | undefined> {
  const key = `newest-${name}-${(await aptState()).slice(0, 16)}`;
  const known = await findEntry(cacheRoot, 'tool', key);
  if (known.entry !== undefined) return known.entry.meta as DebianVersion;
  const version = await askNewest(name, signal);
  if (version === undefined) return undefined;
  await ensureEntry(cacheRoot, { kind: 'tool', key, signal, make: () => Promise.resolve(version) });
  return version;
}

/** The X of every linux-source-X apt knows, oldest first (a line of apt-cache(8) search: `linux-source-6.1 - TITLE`). */
export async function knownSourceVersions(signal: AbortSignal): Promise<readonly string[]> {
  const pattern = '^linux-source-[0-9]+\\.[0-9]+$';
  const found = await query('apt-cache', ['search', '--names-only', pattern], signal);
  return [...found.matchAll(/^linux-source-(\d+\.\d+) /gm)]
    .map(([, version = '']) => version)
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Where apt and dpkg keep what an answer depends on (apt.conf(5), FILES; dpkg(1), FILES). */
const aptFiles = ['/etc/apt', '/var/lib/apt/lists', '/var/lib/dpkg/status', '/usr/src'].concat(
  ['sources.list', 'sources.list.d', 'preferences', 'preferences.d'].map((at) => `/etc/apt/${at}`),
);

async function aptState(): Promise<string> {
  const states = aptFiles.map(async (path) => {
    const found = await stat(path).catch(() => undefined);
    return [path, found?.mtimeMs ?? null, found?.size ?? null];
  });
  return valueDigest(await Promise.all(states));
}

/** A line of apt-cache(8) madison, newest first: `linux-source-6.1 |  6.1.192-2 | MIRROR Packages`. */
async function askNewest(name: string, signal: AbortSignal): Promise<DebianVersion | undefined> {
  const installed = await installedVersion(name, signal);
  const listed = await query('apt-cache', ['madison', name], signal);
  const newest = listed
    .split('\n')
    .map((line) => line.split('|').map((field) => field.trim()))
    .find((fields) => fields[0] === name && isVersion(fields[1]))?.[1];
  const version = newest ?? installed;
  if (version === undefined) return undefined;
  const tarball = `/usr/src/${name}.tar.xz`;
  const present = version === installed && (await exists(tarball));
  return present ? { version, installedTarball: tarball } : { version };
}

/** Unpacks the kernel source of the package into the empty folder `tree`. Needs no root and installs nothing. */
export async function unpackSourcePackage(
  name: string,
  found: DebianVersion,
  tree: string,
  signal: AbortSignal,
): Promise<void> {
  const scratch = `${tree}.download`;
  await makeFolder(scratch);
  try {
    const tarball =
      found.installedTarball ?? (await downloadTarball(name, found.version, scratch, signal));
    await makeFolder(tree);
    // tar(1) for speed: the archive is signed by Debian, and GNU tar refuses names that leave the folder.
    await runTool(
      'tar',
      ['--extract', '--file', tarball, '--directory', tree, '--strip-components=1', '--xz'].concat(
        '--no-same-owner',
      ),
      { signal },
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function downloadTarball(
  name: string,
  version: string,
  scratch: string,
  signal: AbortSignal,
): Promise<string> {
  const wanted = `${name}=${version}`;
  try {
    await runTool('apt-get', ['download', '--quiet', wanted], { signal, cwd: scratch });
  } catch (error) {
    if (!isHarnessError(error, 'tool')) throw error;
    throw cannotDownload(wanted, error);
  }
  const deb = (await readdir(scratch)).find((file) => file.endsWith('.deb'));
  if (deb === undefined) {
    throw new HarnessError('tool', `apt-get download ${wanted} left no package`);
  }
  await runTool('dpkg-deb', ['--extract', join(scratch, deb), join(scratch, 'package')], {
    signal,
  });
  return join(scratch, 'package', 'usr', 'src', `${name}.tar.xz`);
}

function cannotDownload(wanted: string, cause: HarnessError): HarnessError {
  const message = `apt cannot download ${wanted}: try apt-get update, and the network`;
  const { output } = cause;
  return new HarnessError('tool', message, { cause, ...(output === undefined ? {} : { output }) });
}

/** `ii 6.1.192-2`, or undefined when the package is not installed. */
async function installedVersion(name: string, signal: AbortSignal): Promise<string | undefined> {
  const format = '--showformat=${db:Status-Abbrev}|${Version}';
  const [status, version] = (await query('dpkg-query', ['--show', format, name], signal)).split(
    '|',
  );
  return status?.startsWith('ii') === true && isVersion(version) ? version : undefined;
}

/** Version strings of deb-version(7). */
function isVersion(text: string | undefined): text is string {
  return text !== undefined && /^[0-9][A-Za-z0-9.+~:-]*$/.test(text);
}

/** Stdout, empty when the package is unknown or the program is not there (not a Debian). */
async function query(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const end = await runTool(program, args, { signal, okCodes: [0, 1, 100, 127] });
  return end.exitCode === 0 ? end.stdout : '';
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
