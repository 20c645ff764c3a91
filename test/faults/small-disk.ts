import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { root } from '../e2e/splat.ts';

/** A mount namespace of its own. What is mounted in it disappears with it, however the test ends. Needs root. */
export interface Mounts extends AsyncDisposable {
  /** Put before a command line, these words run it inside the namespace, in the checkout. */
  readonly through: readonly string[];
  /** The path outside the namespace at which a path inside it can be read. */
  readonly seen: (path: string) => string;
  /** Runs a program inside the namespace. Throws when it fails. */
  readonly run: (program: string, ...args: readonly string[]) => Promise<void>;
}

export async function openMounts(): Promise<Mounts> {
  const becomes = ['unshare', '--mount', '--propagation', 'private', 'sleep', 'infinity'];
  const holder = execa('setpriv', ['--pdeathsig', 'KILL', '--', ...becomes], {
    reject: false,
    stdio: 'ignore',
  });
  await once(holder, 'spawn');
  const { pid } = holder;
  // Until unshare(1) has become sleep(1), it is still in our namespace.
  while ((await readFile(`/proc/${pid}/comm`, 'utf8')).trim() !== 'sleep') await sleep(10);
  const through = ['nsenter', `--mount=/proc/${pid}/ns/mnt`, 'env', `--chdir=${root}`];
  return {
    through,
    seen: (path) => `/proc/${pid}/root${path}`,
    run: async (program, ...args) => {
      const [first = '', ...rest] = [...through, program, ...args];
      await execa(first, rest);
    },
    async [Symbol.asyncDispose]() {
      holder.kill('SIGKILL');
      await holder;
    },
  };
}

/** Mounts a tmpfs(5) of a given size inside the namespace. 0 inodes means no limit. */
export async function mountSmall(
  mounts: Mounts,
  path: string,
  size: { readonly kib: number; readonly inodes?: number },
): Promise<void> {
  await mkdir(path, { recursive: true });
  const options = `size=${Math.ceil(size.kib)}k,nr_inodes=${size.inodes ?? 0}`;
  await mounts.run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path);
}
