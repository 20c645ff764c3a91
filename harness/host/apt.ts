import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { type Archive, hostArchive, releases, sourcesList } from './apt-archive.ts';
import { type AptConfig, aptTool } from './apt-tool.ts';
import { cacheFolder } from './cache-folders.ts';
import { makeFolder, readIfThere, writeWhole } from './disk.ts';
import { acquireLock } from './lock.ts';
import { findProgram, runTool } from './process.ts';
import { valueDigest } from './store.ts';

/**
 * An apt(8) with its own lists, sources and cache. This apt needs no root, and changes nothing that belongs to the host's apt. It
 * takes only two things from the host's apt: the addresses of the mirrors, and the options `Acquire::`, which say how to reach a
 * mirror and what to trust.
 */
export interface Apt {
  readonly dir: string;
  /** The time of the last attempt to update the lists, in milliseconds since 1970. */
  readonly readAtMs: number;
  /** The suites that the last update of the lists could not read, each with the reason: `bullseye-security: 404  Not Found`. */
  readonly unreadable: readonly string[];
}

export interface AptOptions {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  /** The age in milliseconds above which package lists are updated; default a day. */
  readonly maxAgeMs?: number;
  /** Called before an update of the lists, with the address of the mirror; not called when no update is needed. */
  readonly onRefresh?: (mirror: string) => void;
  /** The archive to read; default: the archive that the host uses. */
  readonly archive?: Archive;
}

const dayMs = 24 * 60 * 60_000;

/** The content of the file `read.json`: the last update that could read at least one suite. */
interface Reading {
  /**
   * The digest of `releases`, and of `archive` when the caller gave an archive. The mirror that the host uses is not in the digest.
   */
  readonly sources: string;
  readonly atMs: number;
  readonly unreadable: readonly string[];
}

/**
 * Opens splat's apt, and updates package lists that are older than `maxAgeMs`. When a suite cannot be read now, its older list
 * stays in use. Throws `tool` when apt is not installed, when no suite was ever read, and when an update is needed but the
 * archive's keyring is missing.
 */
export async function openApt(options: AptOptions): Promise<Apt> {
  const { cacheRoot, signal, maxAgeMs = dayMs } = options;
  if ((await findProgram('apt-get')) === undefined) {
    throw new HarnessError(
      'tool',
      'apt-get is not installed, and splat fetches Debian packages with it',
    );
  }
  const dir = cacheFolder(cacheRoot, 'apt');
  const key = valueDigest(options.archive === undefined ? releases : [releases, options.archive]);
  await using _lock = await acquireLock(join(cacheFolder(cacheRoot, 'locks'), 'apt'), options);
  const known = await readReading(dir);
  if (known?.sources === key && isFresh(known.atMs, maxAgeMs)) {
    return { dir, readAtMs: known.atMs, unreadable: known.unreadable };
  }
  const archive = options.archive ?? (await hostArchive(signal));
  const sources = sourcesList(archive);
  if ((await readIfThere(stat(archive.keyring))) === undefined) {
    throw new HarnessError(
      'tool',
      `${archive.keyring} does not exist: install the package debian-archive-keyring`,
    );
  }
  options.onRefresh?.(archive.mirror);
  await layOut(dir, sources.map(({ line }) => line).join(''), signal);
  return await refresh(
    dir,
    { key, suites: sources.map(({ suite }) => suite) },
    archive.mirror,
    signal,
  );
}

/**
 * Returns a configuration with which apt sees only one release of Debian and its security updates. Throws `tool` for a release that
 * is not among splat's sources (`releases` in apt-archive.ts).
 */
export async function oneRelease({ dir }: Apt, codename: string): Promise<AptConfig> {
  const text = await readFile(join(dir, 'sources.list'), 'utf8');
  const suites = [codename, `${codename}-security`];
  // The lines have the form `deb [signed-by=FILE] URI SUITE main`.
  const lines = text.split('\n').filter((line) => suites.includes(line.split(' ')[3] ?? ''));
  if (lines.length === 0)
    throw new HarnessError('tool', `splat does not read the package lists of Debian ${codename}`);
  const list = join(dir, `sources.${codename}.list`);
  await writeWhole(list, `${lines.join('\n')}\n`);
  // apt's package cache is not used, because its file covers all suites.
  const own = [`Dir::Etc::sourcelist=${list}`, 'Dir::Cache::pkgcache='];
  return { dir, options: own.flatMap((value) => ['-o', value]) };
}

function isFresh(atMs: number, maxAgeMs: number): boolean {
  const age = Date.now() - atMs;
  return age >= 0 && age < maxAgeMs;
}

async function layOut(dir: string, sources: string, signal: AbortSignal): Promise<void> {
  for (const folder of ['lists/partial', 'cache/archives/partial', 'none']) {
    await makeFolder(join(dir, folder));
  }
  await writeWhole(join(dir, 'sources.list'), sources);
  await writeWhole(join(dir, 'apt.conf'), await configuration(dir, signal));
}

/**
 * Returns the text of a complete apt.conf(5). The configuration snippets of the host (apt.conf.d) are not read, because they may
 * contain hooks (APT::Update::Post-Invoke), which would run with splat's lists instead of the host's.
 */
async function configuration(dir: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await runTool('apt-config', ['dump'], { signal });
  const ours =
    /^Acquire::(?!IndexTargets|Languages|GzipIndexes|PDiffs|CompressionTypes|Changelogs)/;
  const theirs = stdout.split('\n').filter((line) => ours.test(line));
  const own = {
    'Dir::Etc::sourcelist': join(dir, 'sources.list'),
    'Dir::Etc::sourceparts': join(dir, 'none'),
    'Dir::Etc::main': '/dev/null',
    'Dir::Etc::parts': join(dir, 'none'),
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': join(dir, 'none'),
    'Dir::State::lists': join(dir, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::State::extended_states': '/dev/null',
    'Dir::Cache': join(dir, 'cache'),
    'Dir::Cache::srcpkgcache': '',
    // The user as whom the host's apt downloads (_apt) cannot enter splat's cache.
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::PDiffs': 'false',
    // Compressed lists take a fifth of the disk space.
    'Acquire::GzipIndexes': 'true',
  };
  const lines = Object.entries(own).map(([name, value]) => `${name} "${value}";`);
  return `${[...theirs, ...lines].join('\n')}\n`;
}

async function refresh(
  dir: string,
  asked: { readonly key: string; readonly suites: readonly string[] },
  mirror: string,
  signal: AbortSignal,
): Promise<Apt> {
  const args = ['update', '--quiet', '--allow-releaseinfo-change'];
  const end = await aptTool({ dir }, 'apt-get', args, signal, { okCodes: [0, 100] });
  const complaints = complaintsOf(end.stderr);
  const there = await readSuites(dir, signal);
  const unread = asked.suites.filter((suite) => !there.has(suite) || complaints.has(suite));
  const first = /^[EW]: (.+)$/m.exec(end.stderr)?.[1] ?? 'not there';
  const unreadable = unread.map((suite) => `${suite}: ${complaints.get(suite) ?? first}`);
  if (there.size === 0) {
    const message = `no suite of ${mirror} can be read (${unreadable[0] ?? 'none is asked for'})`;
    throw new HarnessError('tool', message, { output: end.stderr });
  }
  // When no suite could be read, read.json stays as it is, so that the next call tries again. The older lists stay in use.
  const whole = unread.length < asked.suites.length;
  const reading: Reading = { sources: asked.key, atMs: Date.now(), unreadable };
  if (whole) await writeWhole(join(dir, 'read.json'), JSON.stringify(reading));
  return { dir, readAtMs: reading.atMs, unreadable };
}

/**
 * Returns the reasons why suites were not read. The key is the suite. The reasons are in these lines of apt: `E: The
 * repository 'URI SUITE Release' ...`, `E: Failed to fetch URI/dists/SUITE/...` and `E: Release file for
 * URI/dists/SUITE/InRelease is expired`.
 */
function complaintsOf(stderr: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of stderr.split('\n')) {
    const repository = /^[EW]: The repository '\S+ (\S+) \w+' (.+)$/.exec(line);
    const fetched =
      /^[EW]: (?:Failed to fetch|Release file for) \S+\/dists\/(\S+?)\/(?:In)?Release\S* +(.+)$/.exec(
        line,
      );
    const [, suite, why] = repository ?? fetched ?? [];
    if (suite !== undefined && why !== undefined && !found.has(suite)) found.set(suite, why.trim());
  }
  return found;
}

/** Returns the suites whose lists of packages are on disk, from this update or an earlier update. */
async function readSuites(dir: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const args = ['indextargets', '--format', '$(RELEASE) $(FILENAME)', 'Created-By: Packages'];
  const { stdout } = await aptTool({ dir }, 'apt-get', args, signal);
  const present = await readdir(join(dir, 'lists'));
  const found = stdout.split('\n').flatMap((line) => {
    const [suite, file] = line.split(' ');
    if (suite === undefined || file === undefined) return [];
    const name = file.slice(file.lastIndexOf('/') + 1);
    return present.some((one) => one.startsWith(name)) ? [suite] : [];
  });
  return new Set(found);
}

async function readReading(dir: string): Promise<Reading | undefined> {
  const text = await readIfThere(readFile(join(dir, 'read.json'), 'utf8'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Reading;
  } catch {
    return undefined;
  }
}
