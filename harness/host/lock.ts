import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { HarnessError } from '../errors.ts';
import { explainDiskError, makeFolder } from './disk.ts';
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
  return requireHeld(await holdLock(path, [], options), path, options.signal);
}

function requireHeld(
  lock: AsyncDisposable | undefined,
  path: string,
  signal: AbortSignal,
): AsyncDisposable {
  if (lock !== undefined) return lock;
  throwIfAborted(signal);
  throw new HarnessError('infra', `could not lock ${path}`);
}

/**
 * Takes the lock as acquireLock() does, but does not wait: undefined when another holder has it. Also undefined when flock(1)
 * fails or the signal fires meanwhile. Throws `infra` when the file cannot be opened.
 */
export async function tryLock(
  path: string,
  options: Pick<LockOptions, 'signal' | 'shared'>,
): Promise<AsyncDisposable | undefined> {
  try {
    await makeFolder(dirname(path));
    // The file is opened as flock(1) will open it, so that a failure has its reason. It is opened read-only, because an existing
    // lock file must work on a read-only disk.
    await using _file = await open(path, constants.O_RDONLY | constants.O_CREAT);
  } catch (error) {
    throw explainDiskError(error, path);
  }
  return holdLock(path, ['--nonblock'], options);
}

async function holdLock(
  path: string,
  flags: readonly string[],
  { signal, shared = false }: LockOptions,
): Promise<AsyncDisposable | undefined> {
  throwIfAborted(signal);
  const mode = shared ? '--shared' : '--exclusive';
  const child = execa('flock', [mode, ...flags, path, 'cat'], {
    reject: false,
    detached: true,
    cleanup: false,
    buffer: false,
    extendEnv: false,
    env: cleanEnv(),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = child.then(() => false);
  const stopWaiting = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stopWaiting, { once: true });
  child.stdin.on('error', () => undefined);
  // cat runs once flock has the lock; the byte it echoes proves that the lock is held.
  const echoed = new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true)));
  child.stdin.write('.');
  const held = await Promise.race([echoed, ended]);
  signal.removeEventListener('abort', stopWaiting);
  if (!held) return undefined;
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
