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
 * process, holds the lock. The lock belongs to a child `flock FILE cat` whose stdin is a pipe from this process: however this
 * process dies, the pipe is closed, the child ends, and the host's kernel releases the lock. So no stale lock is left. Throws
 * `interrupted` when the signal fires first, and `infra` when the file cannot be locked.
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

/** A lock that its holder loses when the holder does not renew it in time. */
export interface Lease extends AsyncDisposable {
  /** Renews the lease. Returns false when the lease was lost: another process may then have the lock. */
  readonly renew: () => boolean;
}

/**
 * Takes a lock as acquireLock() does, and holds the lock until the result is disposed, or until renew() was not called for
 * `leaseMs` milliseconds (whole seconds). The child process that has the lock ends when this process writes nothing to it for that
 * time. So a process that was stopped (SIGTSTP, SIGSTOP) does not keep the lock. A process that is stopped while it waits for the
 * lock loses its turn in the same way.
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
    // The file is opened as flock(1) will open it, because the error of open(2) tells the reason of a failure. The file is opened
    // read-only, because an existing lock file must work on a read-only disk.
    await using _file = await open(path, constants.O_RDONLY | constants.O_CREAT);
  } catch (error) {
    throw explainDiskError(error, path);
  }
}

/** A lock that a child process holds until release() is called or the child ends. */
interface HeldLock {
  readonly release: () => Promise<void>;
  /** Writes a line to the child. */
  readonly say: () => void;
  readonly hasEnded: () => boolean;
  /** True when the lock's path still names the locked file. */
  readonly isNamed: () => Promise<boolean>;
}

/** The descriptor at which flock(1) has opened the lock file: the first descriptor after stdin, stdout and stderr. */
const lockFd = 3;

/** True when a path names the file that a process has open as `lockFd`. True, too, when /proc does not tell which file that is. */
async function isOpenIn(pid: number | undefined, path: string): Promise<boolean> {
  const locked = await stat(`/proc/${pid}/fd/${lockFd}`).catch(() => undefined);
  const named = await readIfThere(stat(path));
  if (locked === undefined) return true;
  return locked.ino === named?.ino && locked.dev === named.dev;
}

/**
 * The number of attempts to take a lock whose file is removed during each attempt. `splat cache prune --all` removes each
 * file once.
 */
const attempts = 20;

/**
 * Takes a lock as holdLock() does, and makes sure that `path` still names the locked file. When the file was removed during the
 * wait, its lock excludes no other process: they lock the new file at `path`. So the lock is released and taken again on the
 * new file.
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
 * Starts the child process that takes a lock, and resolves when the child has the lock. Resolves to undefined when the child ends
 * without the lock. A child with the lock runs `keeper`, and holds the lock until `keeper` ends: at the end of its stdin or before.
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
  // The keeper runs as soon as flock has the lock. A byte that the keeper prints (cat echoes it) proves that the lock is held.
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
