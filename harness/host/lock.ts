import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { HarnessError } from '../errors.ts';
import { explainDiskError, makeFolder, readIfThere } from './disk.ts';
import { cleanEnv, throwIfAborted } from './process.ts';

export interface LockOptions {
  readonly signal: AbortSignal;
  /** Called once when another holder has the lock and the wait begins. */
  readonly onWait?: () => void;
  /** True for a shared lock, which excludes only exclusive locks. Default false. */
  readonly shared?: boolean;
}

/**
 * Takes a flock(2) on `path` and holds it until the result is disposed. Waits while another process, or another caller in this
 * process, holds the lock. The lock belongs to a child `flock FILE cat` whose stdin is a pipe from this process: when this
 * process dies in any way, the host's kernel releases the lock, so no stale lock is left. Throws `interrupted` when the signal
 * fires first, and `infra` when the file cannot be locked.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<AsyncDisposable> {
  return (await tryLock(path, options)) ?? (await waitForLock(path, options));
}

async function waitForLock(path: string, options: LockOptions): Promise<AsyncDisposable> {
  options.onWait?.();
  return disposable(requireHeld(await holdNamed(path, [], options), path, options.signal));
}

function requireHeld(lock: HeldLock | undefined, path: string, signal: AbortSignal): HeldLock {
  if (lock !== undefined) return lock;
  throwIfAborted(signal);
  throw new HarnessError('infra', `the file ${path} could not be locked (flock)`);
}

/**
 * Takes the lock as acquireLock() does, but does not wait. Returns undefined when another holder has the lock, when flock(1) fails,
 * and when the signal fires meanwhile. Throws `infra` when the file cannot be opened.
 */
export async function tryLock(
  path: string,
  options: Pick<LockOptions, 'signal' | 'shared'>,
): Promise<AsyncDisposable | undefined> {
  const held = await holdNamed(path, ['--nonblock'], options);
  return held === undefined ? undefined : disposable(held);
}

function disposable({ release }: HeldLock): AsyncDisposable {
  return { [Symbol.asyncDispose]: release };
}

/** A lock that is lost when it is not renewed in time. */
export interface Lease extends AsyncDisposable {
  /** Renews the lease. Returns false when the lease was lost: another process may then have the lock. */
  readonly renew: () => boolean;
}

/**
 * Takes a lock as acquireLock() does, and holds it until the result is disposed or the lease is not renewed for `leaseMs`
 * (milliseconds, a multiple of 1000). A child process has the lock and ends when this process writes nothing to it for that time.
 * So a process that is stopped (SIGTSTP, SIGSTOP) does not keep the lock. A process that is stopped while it waits for the lock
 * loses its turn in the same way.
 */
export async function acquireLease(
  path: string,
  { signal, leaseMs }: Pick<LockOptions, 'signal'> & { readonly leaseMs: number },
): Promise<Lease> {
  // Only bash can wait for a line with a time limit and start no program for it.
  const listen = `printf .; while read -r -t ${leaseMs / 1000}; do :; done`;
  const held = await holdNamed(path, [], { signal, keeper: ['bash', '-c', listen] });
  const lock = requireHeld(held, path, signal);
  let renewedAt = performance.now();
  let isLost = false;
  return {
    renew: () => {
      const now = performance.now();
      // A process that goes on after a stop may not yet know that its child has ended.
      isLost ||= lock.hasEnded() || now - renewedAt >= leaseMs;
      renewedAt = now;
      lock.say();
      return !isLost;
    },
    [Symbol.asyncDispose]: lock.release,
  };
}

async function requireFile(path: string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    // The file is opened as flock(1) will open it, so that a failure has its reason. It is opened read-only, because an existing
    // lock file must work on a read-only disk.
    await using _file = await open(path, constants.O_RDONLY | constants.O_CREAT);
  } catch (error) {
    throw explainDiskError(error, path);
  }
}

/** A lock that a child process holds until the lock is released or the child ends. */
interface HeldLock {
  readonly release: () => Promise<void>;
  /** Writes a line to the child. */
  readonly say: () => void;
  readonly hasEnded: () => boolean;
  /** Resolves to true when the path of the lock still names the locked file. */
  readonly isNamed: () => Promise<boolean>;
}

/** The descriptor at which flock(1) has a lock's file open: the next after stdin, stdout and stderr. */
const lockFd = 3;

/** True when `path` names the file that the process has open as `lockFd`, and also when /proc does not show this file. */
async function isOpenIn(pid: number | undefined, path: string): Promise<boolean> {
  const locked = await stat(`/proc/${pid}/fd/${lockFd}`).catch(() => undefined);
  const named = await readIfThere(stat(path));
  if (locked === undefined) return true;
  return locked.ino === named?.ino && locked.dev === named.dev;
}

/** The number of tries to take a lock whose file is removed meanwhile. `splat cache prune --all` removes each file once. */
const attempts = 20;

/**
 * Takes a lock as holdLock() does, and checks that `path` still names the locked file. A lock on a file that was removed during the
 * wait excludes nobody. The lock is then taken again, on the new file. Throws `infra` after 20 such tries.
 */
async function holdNamed(
  path: string,
  flags: readonly string[],
  options: Parameters<typeof holdLock>[2],
): Promise<HeldLock | undefined> {
  for (let count = 0; count < attempts; count += 1) {
    await requireFile(path);
    const held = await holdLock(path, flags, options);
    if (held === undefined || (await held.isNamed())) return held;
    await held.release();
  }
  throw new HarnessError('infra', `the file ${path} is removed again and again while it is locked`);
}

/**
 * Starts a child process that takes a lock, and resolves when the child has the lock. Resolves to undefined when the child ends
 * without the lock. With the lock, the child runs `keeper` until `keeper` ends, at the latest at the end of its stdin.
 */
async function holdLock(
  path: string,
  flags: readonly string[],
  {
    signal,
    shared = false,
    keeper = ['cat'],
  }: LockOptions & { readonly keeper?: readonly string[] },
): Promise<HeldLock | undefined> {
  throwIfAborted(signal);
  const mode = shared ? '--shared' : '--exclusive';
  const child = execa('flock', [mode, ...flags, path, ...keeper], {
    reject: false,
    detached: true,
    cleanup: false,
    buffer: false,
    extendEnv: false,
    env: cleanEnv(),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let isOver = false;
  const ended = child.then(() => {
    isOver = true;
    return false;
  });
  const stopWaiting = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stopWaiting, { once: true });
  child.stdin.on('error', () => undefined);
  // The keeper runs once flock has the lock; the byte that it prints (cat: echoes) proves that the lock is held.
  const echoed = new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true)));
  const say = (): void => void child.stdin.write('.\n');
  say();
  const held = await Promise.race([echoed, ended]);
  signal.removeEventListener('abort', stopWaiting);
  if (!held) return undefined;
  return {
    say,
    hasEnded: () => isOver,
    isNamed: async () => isOpenIn(child.pid, path),
    release: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
