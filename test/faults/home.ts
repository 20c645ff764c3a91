import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { cacheRoot, type EntryKind, findEntry } from '../../harness/host/store.ts';
import { type CliResult, root, splat } from '../e2e/splat.ts';

/**
 * Where the runs of a test live. Everything that belongs to them is a file below `dir`, or a process with that folder in its
 * environment.
 */
export interface Home extends AsyncDisposable {
  readonly dir: string;
  readonly cache: string;
  /** The value of TMPDIR in its runs. */
  readonly tmp: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The kinds of entries of the user's cache that a home has as links, which can be removed. */
const sharedKinds: readonly EntryKind[] = ['source', 'kernel', 'tool', 'guest'];
const kinds: readonly EntryKind[] = [...sharedKinds, 'checkpoint'];

/** Opens a home. Its cache has the user's sources and guests, and the one kernel that is run; checkpoints and locks are its own. */
export async function openHome(): Promise<Home> {
  // Builds the kernel if the cache does not have it yet.
  const { stdout } = await splat(['build', '--kernel', 'debian:6.1', '--json']);
  const built = JSON.parse(stdout) as { readonly kernel: { readonly id: string } };
  const dir = await mkdtemp(join(tmpdir(), 'splat-home-'));
  const cache = join(dir, 'cache');
  const tmp = join(dir, 'tmp');
  await mkdir(tmp);
  for (const kind of sharedKinds) {
    const theirs = join(cacheRoot(), kind);
    // Every entry is read completely after every fault, and a cache may have a hundred kernels, so only one is linked.
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

/** Removes the entries of one kind, so that the next run makes its own. Of shared entries only the links are removed. */
export async function forgetEntries(cache: string, kind: EntryKind): Promise<void> {
  await rm(join(cache, kind), { recursive: true, force: true });
}

export interface HomeRun {
  readonly pid: number;
  /** Resolves when the run has ended. */
  readonly done: Promise<CliResult & { readonly peakMiB: number }>;
}

/** Starts the real command line in a home and watches its memory. `through` is a program that runs it, such as nsenter(1). */
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

/** Runs the command line as startIn() does, and waits for its end. */
export async function runIn(
  home: Home,
  args: readonly string[],
  options: Parameters<typeof startIn>[2] = {},
): Promise<CliResult & { readonly peakMiB: number }> {
  return startIn(home, args, options).done;
}

/** Reads VmHWM (proc_pid_status(5)) until it is stopped. The peak only grows, so the last value before the end is the result. */
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

/**
 * The processes of a home: those whose TMPDIR is the home's folder, or a folder in it. Zombies have no environment any more, so
 * they are not found.
 */
async function processesOf(
  home: Home,
): Promise<readonly { readonly pid: number; readonly name: string }[]> {
  const found: { pid: number; name: string }[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    const folder = environment.split('\0').find((one) => one.startsWith('TMPDIR='));
    // QEMU's TMPDIR is a folder inside the home's.
    if (!`${folder}/`.startsWith(`TMPDIR=${home.tmp}/`)) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'gone');
    found.push({ pid: Number(pid), name: name.trim() });
  }
  return found;
}

/** The QEMU processes of a home. /proc/PID/comm holds only 15 characters of the name. */
export async function guestsOf(home: Home): Promise<readonly number[]> {
  return (await processesOf(home))
    .filter(({ name }) => name === 'qemu-system-x86')
    .map(({ pid }) => pid);
}

/** True for a QEMU that runs a guest, and was not only asked for its version. */
export async function hasGuest(pid: number): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  return words.split('\0').includes('-nodefaults');
}

/** How many milliseconds the kernel and flock(1) may take to notice that a process has died. */
const settleMs = 3_000;

/**
 * What a finished run has left in its home: processes, held locks, mounts, and incomplete entries of the store. `files` are folders
 * of the home that must be empty; a killed harness cannot remove its drafts.
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

/** The entries of a cache whose contents differ from what was stored. */
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

/** The paths of everything below a folder; empty when the folder does not exist. */
export function filesBelow(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

/** The files below a folder that have names of JSON files and are not JSON. */
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

/** Waits `ms` milliseconds, or until the run ends; true when it has ended. */
export async function endsWithin(run: HomeRun, ms: number): Promise<boolean> {
  const stop = new AbortController();
  const waited = sleep(ms, false, { signal: stop.signal }).catch(() => false);
  const ended = await Promise.race([run.done.then(() => true), waited]);
  stop.abort();
  return ended;
}

/**
 * The command lines that the tests kill, without the folder each writes to: a whole run, and a repetition of one of its trials,
 * which takes less time. The times are those of runs that find everything in the cache.
 */
export interface Victims {
  readonly whole: readonly string[];
  readonly one: readonly string[];
  /** The trial that is repeated, as `splat replay` names it. */
  readonly trial: string;
  readonly wholeMs: number;
  readonly oneMs: number;
}

/** Runs both command lines once, so that everything is in the cache, and measures them. Throws when one fails. */
export async function openVictims(home: Home): Promise<Victims> {
  const whole = ['run', '--workload', 'munmap', '--duration', '1', '--seed', '7', '--out'];
  const trial = join(home.dir, 'first', 'munmap');
  const one = ['replay', trial, '--out'];
  await timeRun(home, [...whole, join(home.dir, 'first')]);
  const wholeMs = await timeRun(home, [...whole, join(home.dir, 'second')]);
  const oneMs = await timeRun(home, [...one, join(home.dir, 'third')]);
  return { whole, one, trial, wholeMs, oneMs };
}

/** How many milliseconds a successful run takes. */
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

/** The lines of a run's stderr that are errors, not progress. */
export function complaintsOf({ stderr }: CliResult): readonly string[] {
  return stderr.split('\n').filter((line) => line.startsWith('splat: '));
}

/**
 * The seed of the faults: SPLAT_FAULT_SEED, or one from the clock. Print it, because it repeats a failure, as far as a moment can
 * be repeated.
 */
export function faultSeed(): number {
  const given = process.env['SPLAT_FAULT_SEED'];
  return given === undefined ? Date.now() % 2 ** 32 : Number(given);
}

/** How many faults to try: SPLAT_FAULT_TRIALS, or `usual`. */
export function faultTrials(usual: number): number {
  return Number(process.env['SPLAT_FAULT_TRIALS'] ?? usual);
}
