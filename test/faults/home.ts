import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { cacheRoot, type EntryKind, findEntry } from '../../harness/host/store.ts';
import { type CliResult, root, splat } from '../e2e/splat.ts';

/** Where the runs of a test live: everything that is theirs is below `dir`, or is a process that says so. */
export interface Home extends AsyncDisposable {
  readonly dir: string;
  readonly cache: string;
  /** TMPDIR of its runs. */
  readonly tmp: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Entries of the user's own cache that a home has by links, which can be removed. */
const sharedKinds: readonly EntryKind[] = ['source', 'kernel', 'tool', 'guest'];
const kinds: readonly EntryKind[] = [...sharedKinds, 'checkpoint'];

/** A home whose cache has the sources and guests of the user's and the one kernel that is run; checkpoints and locks are its own. */
export async function openHome(): Promise<Home> {
  // Builds it, where nobody has yet.
  const { stdout } = await splat(['build', '--kernel', 'debian:6.1', '--json']);
  const built = JSON.parse(stdout) as { readonly kernel: { readonly id: string } };
  const dir = await mkdtemp(join(tmpdir(), 'splat-home-'));
  const cache = join(dir, 'cache');
  const tmp = join(dir, 'tmp');
  await mkdir(tmp);
  for (const kind of sharedKinds) {
    const theirs = join(cacheRoot(), kind);
    // Every entry is read through after every fault, and a cache may have a hundred kernels.
    const keys = kind === 'kernel' ? [built.kernel.id] : await readdir(theirs).catch(() => []);
    await mkdir(join(cache, kind), { recursive: true });
    for (const key of keys) await symlink(join(theirs, key), join(cache, kind, key));
  }
  return {
    dir,
    cache,
    tmp,
    env: { SPLAT_CACHE: cache, TMPDIR: tmp },
    [Symbol.asyncDispose]: async () => rm(dir, { recursive: true, force: true }),
  };
}

/** Removes the entries of a kind: the next run makes its own. Of shared ones only the links go. */
export async function forgetEntries(cache: string, kind: EntryKind): Promise<void> {
  await rm(join(cache, kind), { recursive: true, force: true });
}

export interface HomeRun {
  readonly pid: number;
  /** Resolves when the run has ended. */
  readonly done: Promise<CliResult & { readonly peakMiB: number }>;
}

/** The real command line in a home, with its memory watched. `through`: a program that becomes it, as nsenter(1). */
export function startIn(
  home: Home,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly through?: readonly string[];
  } = {},
): HomeRun {
  const [program = '', ...rest] = [...(options.through ?? []), join(root, 'splat'), ...args];
  const child = execa(program, rest, {
    reject: false,
    cwd: root,
    stdin: 'ignore',
    env: { ...home.env, ...options.env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} did not start`);
  const memory = watchMemory(pid);
  const done = child.then(async ({ exitCode, stdout, stderr }) => ({
    exitCode,
    stdout,
    stderr,
    peakMiB: await memory.stop(),
  }));
  return { pid, done };
}

/** The same, to its end. */
export async function runIn(
  home: Home,
  args: readonly string[],
  options: Parameters<typeof startIn>[2] = {},
): Promise<CliResult & { readonly peakMiB: number }> {
  return startIn(home, args, options).done;
}

/** Looks at VmHWM (proc_pid_status(5)) until stopped; the peak only grows, so the last look before the end is it. */
function watchMemory(pid: number): { readonly stop: () => Promise<number> } {
  const stop = new AbortController();
  let peakMiB = 0;
  const looking = (async () => {
    while (!stop.signal.aborted) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const kib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
      peakMiB = Math.max(peakMiB, kib / 1024);
      await sleep(50, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return {
    stop: async () => {
      stop.abort();
      await looking;
      return Math.round(peakMiB);
    },
  };
}

/** Processes of a home, all of which have its TMPDIR, or a folder in it, in their environment. Zombies have no environment any more. */
async function processesOf(
  home: Home,
): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const found: { pid: number; name: string }[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    const folder = environment.split('\0').find((one) => one.startsWith('TMPDIR='));
    // QEMU has a folder of its own in it.
    if (!`${folder}/`.startsWith(`TMPDIR=${home.tmp}/`)) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'gone');
    found.push({ pid: Number(pid), name: name.trim() });
  }
  return found;
}

/** QEMUs of a home. comm holds 15 characters. */
export async function guestsOf(home: Home): Promise<readonly number[]> {
  return (await processesOf(home))
    .filter(({ name }) => name === 'qemu-system-x86')
    .map(({ pid }) => pid);
}

/** True for a QEMU that has a guest, and was not asked for its version. */
export async function hasGuest(pid: number): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  return words.split('\0').includes('-nodefaults');
}

/** How long the kernel and flock(1) may take to notice a death. */
const settleMs = 3_000;

/**
 * What a run that is over has left in its home: processes, held locks, mounts, and entries of the store that are not whole.
 * `files` are folders of the home that must be empty: a killed harness cannot remove its drafts.
 */
export async function leftOvers(
  home: Home,
  { files }: { readonly files: readonly string[] },
): Promise<readonly string[]> {
  const until = performance.now() + settleMs;
  let running = await processesOf(home);
  while (running.length > 0 && performance.now() < until) {
    await sleep(50);
    running = await processesOf(home);
  }
  return [
    ...running.map(({ pid, name }) => `process ${pid} ${name}`),
    ...(await heldLocks(home)),
    ...(await mountsBelow(home.dir)),
    ...(await halfEntries(home.cache)),
    ...(await filesIn(home, files)),
  ];
}

async function heldLocks({ cache }: Home): Promise<readonly string[]> {
  const held: string[] = [];
  for (const name of await readdir(join(cache, 'locks')).catch(() => [])) {
    const path = join(cache, 'locks', name);
    const { exitCode } = await execa('flock', ['--nonblock', '--exclusive', path, 'true'], {
      reject: false,
    });
    if (exitCode !== 0) held.push(`lock ${name}`);
  }
  return held;
}

async function mountsBelow(dir: string): Promise<readonly string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return mounts.split('\n').filter((line) => line.includes(dir));
}

/** Entries of a cache that are not what was stored. */
export async function halfEntries(cache: string): Promise<readonly string[]> {
  const half: string[] = [];
  for (const kind of kinds) {
    for (const key of await readdir(join(cache, kind)).catch(() => [])) {
      const { entry, corrupt } = await findEntry(cache, kind, key);
      if (entry === undefined) half.push(`${kind}/${key}: ${corrupt ?? 'gone'}`);
    }
  }
  return half;
}

async function filesIn({ dir }: Home, folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(dir, folder)).catch(() => [])).map((name) => `${folder}/${name}`),
    ),
  );
  return found.flat();
}

/** Everything below a folder, as paths in it; nothing when it is not there. */
export function filesBelow(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

/** Files below a folder that are no JSON though they are called so. */
export function brokenJson(dir: string): readonly string[] {
  return filesBelow(dir)
    .filter((name) => name.endsWith('.json'))
    .filter((name) => {
      try {
        JSON.parse(readFileSync(join(dir, name), 'utf8'));
        return false;
      } catch {
        return true;
      }
    });
}

/** Waits that long, or for the run's end; true when it has ended. */
export async function endsWithin(run: HomeRun, ms: number): Promise<boolean> {
  const stop = new AbortController();
  const waited = sleep(ms, false, { signal: stop.signal }).catch(() => false);
  const ended = await Promise.race([run.done.then(() => true), waited]);
  stop.abort();
  return ended;
}

/**
 * The command lines that are hit, without the folder each writes to: a whole run, and one trial of it again, which is
 * cheaper. Times are of runs that find everything in the cache.
 */
export interface Victims {
  readonly whole: readonly string[];
  readonly one: readonly string[];
  /** The trial that is run again, as `splat replay` names it. */
  readonly trial: string;
  readonly wholeMs: number;
  readonly oneMs: number;
}

/** Runs both once, with everything made, and times them; throws when they do not end well. */
export async function openVictims(home: Home): Promise<Victims> {
  const whole = ['run', '--workload', 'munmap', '--duration', '1', '--seed', '7', '--out'];
  const trial = join(home.dir, 'first', 'munmap');
  const one = ['replay', trial, '--out'];
  await timeRun(home, [...whole, join(home.dir, 'first')]);
  const wholeMs = await timeRun(home, [...whole, join(home.dir, 'second')]);
  const oneMs = await timeRun(home, [...one, join(home.dir, 'third')]);
  return { whole, one, trial, wholeMs, oneMs };
}

/** How long a run that ends well takes, in milliseconds. */
export async function timeRun(home: Home, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { exitCode, stderr } = await runIn(home, args);
  if (exitCode !== 0) throw new Error(stderr);
  return performance.now() - startedAt;
}

/** The victim of a trial and how long it takes. */
export function victimOf(
  victims: Victims,
  trial: number,
): { readonly args: readonly string[]; readonly ms: number } {
  return trial % 5 === 0
    ? { args: victims.whole, ms: victims.wholeMs }
    : { args: victims.one, ms: victims.oneMs };
}

/** What a run said besides its progress: the lines of its errors. */
export function complaintsOf({ stderr }: CliResult): readonly string[] {
  return stderr.split('\n').filter((line) => line.startsWith('splat: '));
}

/** SPLAT_FAULT_SEED, else one from the clock. Print it: it is what repeats a failure, as far as a moment can. */
export function faultSeed(): number {
  const given = process.env['SPLAT_FAULT_SEED'];
  return given === undefined ? Date.now() % 2 ** 32 : Number(given);
}

/** SPLAT_FAULT_TRIALS, for a shorter look, else `usual`. */
export function faultTrials(usual: number): number {
  return Number(process.env['SPLAT_FAULT_TRIALS'] ?? usual);
}
