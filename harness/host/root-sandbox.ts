import { HarnessError } from '../errors.ts';
import { findProgram, type RunOptions, startTool, throwIfAborted } from './process.ts';
import type { Mount } from './sandbox.ts';
import { systemFolders } from './sandbox.ts';

/**
 * The capabilities of root in the sandbox: for files, those that dpkg(1) and the scripts of packages need, and the capability for
 * chroot(2). Root in the sandbox cannot mount, and reaches no network and no process outside. The only devices are those in the
 * /dev that bwrap makes, such as /dev/null.
 */
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'SETGID',
  'SETUID',
  'SYS_CHROOT',
];

/** The arguments of bwrap(1) for the sandbox's own /proc, /dev and /tmp. */
const ownFolders = ['--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/tmp'];

/** Folders that exist in the sandbox and are empty. */
const emptyFolders = [
  '/etc/apt/apt.conf.d',
  '/etc/apt/trusted.gpg.d',
  '/etc/dpkg/dpkg.cfg.d',
  '/var/lib/dpkg',
];

/**
 * The program that a user other than root needs besides bwrap(1). newuidmap(1) gives this user more user ids, so that files in the
 * sandbox can have several owners.
 */
const idMapper = 'newuidmap';

/**
 * Runs a program to its end as root of a sandbox. The sandbox contains the host's /usr and the configuration of the host's dynamic
 * linker (both read-only), `mounts`, and its own /proc, /dev and /tmp. When splat does not run as root, the program is root only in
 * a user namespace. Throws `tool` when the host lacks bwrap(1) or newuidmap(1), when the host does not allow such a sandbox, and
 * when the program fails.
 */
export async function runAsRoot(
  program: string,
  args: readonly string[],
  options: { readonly mounts: readonly Mount[] } & Pick<RunOptions, 'signal' | 'env' | 'onLine'>,
): Promise<void> {
  const { mounts, signal, env, onLine } = options;
  const isRoot = process.getuid?.() === 0;
  for (const needed of ['bwrap', ...(isRoot ? [] : [idMapper])]) {
    if ((await findProgram(needed)) === undefined) {
      const text = `${needed} is not installed: apt-get install bubblewrap uidmap`;
      throw new HarnessError('tool', text);
    }
  }
  const mapped = ['unshare', '--user', '--map-root-user', '--map-auto', '--'];
  const argv = [
    ...(isRoot ? [] : mapped),
    'bwrap',
    ...['ipc', 'pid', 'net', 'uts', 'cgroup-try'].map((name) => `--unshare-${name}`),
    '--die-with-parent',
    '--cap-drop',
    'ALL',
    ...capabilities.flatMap((name) => ['--cap-add', `CAP_${name}`]),
    ...(await systemFolders()),
    ...ownFolders,
    ...emptyFolders.flatMap((path) => ['--dir', path]),
    ...mounts.flatMap(({ host, inside, writable }) => [
      writable ? '--bind' : '--ro-bind',
      host,
      inside,
    ]),
    '--chdir',
    '/tmp',
    '--',
    program,
    ...args,
  ];
  const [first = '', ...rest] = argv;
  const end = await startTool(first, rest, {
    signal,
    env: { HOME: '/tmp', TMPDIR: '/tmp', USER: 'root', ...env },
    ...(onLine === undefined ? {} : { onLine }),
  }).ended;
  throwIfAborted(signal);
  if (end.exitCode === 0) return;
  const why = /^E: (.+)$/m.exec(end.stderr)?.[1] ?? `exit code ${end.exitCode}`;
  throw new HarnessError('tool', `${program} failed in the sandbox: ${why}`, {
    output: end.stdout + end.stderr,
  });
}
