import { lstat, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIfThere } from './disk.ts';
import { type ChildEnd, findProgram, type RunOptions, startTool } from './process.ts';
import { signalDescendants } from './process-tree.ts';

/**
 * How other people's code is confined while it runs: a kernel's Makefiles and Kconfig can run any program.
 *
 * - `bwrap`: no network, and a separate view of processes and files, in which only /tmp and `writable` mounts can be written.
 *   When splat runs as root, the code also runs as another user, if the host allows this
 * - `unshare`: no network and a separate view of processes, but the host's files as the invoking user sees them
 * - `none`: no confinement
 */
export interface Sandbox {
  readonly kind: 'bwrap' | 'unshare' | 'none';
  /** The user id of the confined code. Undefined when the code runs as splat's user. */
  readonly uid: number | undefined;
  /** The missing parts of the confinement, in a phrase each. An empty list means that the confinement is complete. */
  readonly missing: readonly string[];
}

/**
 * A folder that the confined program sees. Its path for the program is `inside` under bwrap, and `host` otherwise. A mount that
 * is not `writable` is read-only under bwrap only.
 */
export interface Mount {
  readonly host: string;
  readonly inside: string;
  readonly writable: boolean;
}

export interface SandboxOptions extends Pick<RunOptions, 'signal' | 'env' | 'onLine'> {
  readonly mounts: readonly Mount[];
  readonly cwd: Mount;
}

export interface SandboxEnd extends ChildEnd {
  /**
   * The user and system time, in seconds, of the program and of those descendants whose parents waited for them (wait(2)). 0 when
   * the program was killed or could not be started.
   */
  readonly cpuSeconds: number;
  /**
   * False when the program was killed because it did not end within 5 s of an abort. Files that the program was writing may then
   * be incomplete.
   */
  readonly graceful: boolean;
}

/** The user id of confined programs when splat runs as root: `nobody` (Debian policy, 9.2.2). */
const nobodyUid = 65_534;
const probeTimeoutMs = 10_000;
/** The time that a program gets to end after an abort, before it is killed. */
const graceMs = 5_000;

/** Returns the path that a mount has for the confined program. */
export function pathInside(sandbox: Sandbox, mount: Mount): string {
  return sandbox.kind === 'bwrap' ? mount.inside : mount.host;
}

/**
 * Returns the strongest confinement in which this host can run the program `true`. Returns the kind `none` when no
 * confinement works.
 */
export async function openSandbox(signal: AbortSignal): Promise<Sandbox> {
  const root = process.getuid?.() === 0;
  const asNobody: Sandbox = { kind: 'bwrap', uid: nobodyUid, missing: [] };
  const asSelf: Sandbox = {
    kind: 'bwrap',
    uid: undefined,
    missing: root ? ['a user of its own'] : [],
  };
  const noBwrap = (await findProgram('bwrap')) === undefined ? ' (install bubblewrap)' : '';
  const unshared: Sandbox = {
    kind: 'unshare',
    uid: undefined,
    missing: [
      `a read-only view of the host's files${noBwrap}`,
      ...(root ? ['a user of its own'] : []),
    ],
  };
  for (const sandbox of [...(root ? [asNobody] : []), asSelf, unshared]) {
    if (await works(sandbox, signal)) return sandbox;
  }
  return {
    kind: 'none',
    uid: undefined,
    missing: [`any confinement${noBwrap}`],
  };
}

/** Describes the confinement and its missing parts in one line, for `splat doctor` and for a note about a build. */
export function describeSandbox(sandbox: Sandbox): string {
  const user = sandbox.uid === undefined ? '' : ` as user ${sandbox.uid}`;
  const kinds = {
    bwrap: `builds are confined by bubblewrap${user}: no network, read-only host, own processes`,
    unshare: 'builds are confined by unshare: no network, own processes',
    none: 'builds are not confined: patches can run any code as this user',
  };
  const missing = sandbox.missing.length === 0 ? '' : `; missing: ${sandbox.missing.join(', ')}`;
  return kinds[sandbox.kind] + missing;
}

/**
 * Runs a program confined, to its end. When the signal fires, the program and its descendants get SIGTERM, so that make(1) can
 * delete unfinished files. Processes that have not ended after 5 s are killed. A failure of the program and an abort are not
 * thrown: the caller checks the result and the signal.
 */
export async function runSandboxed(
  sandbox: Sandbox,
  program: string,
  args: readonly string[],
  options: SandboxOptions,
): Promise<SandboxEnd> {
  const wrapped = await wrapCommand(sandbox, program, args, options);
  const hardStop = new AbortController();
  const [first = 'true', ...rest] = wrapped;
  const child = startTool(first, rest, {
    signal: hardStop.signal,
    env: { HOME: '/tmp', TMPDIR: '/tmp', USER: 'splat', ...options.env },
    ...(sandbox.kind === 'bwrap' ? {} : { cwd: options.cwd.host }),
    onLine: (line, stream) => {
      if (stream === 'stdout' || !timesLine.test(line)) options.onLine?.(line, stream);
    },
  });
  const stopping = stopGently(child, options.signal, hardStop);
  const end = await child.ended;
  const graceful = await stopping.finished();
  return { ...end, cpuSeconds: parseTimes(end.stderr), graceful };
}

function stopGently(
  child: { readonly pid: number | undefined; readonly ended: Promise<unknown> },
  signal: AbortSignal,
  hardStop: AbortController,
): { finished: () => Promise<boolean> } {
  let stopped: Promise<boolean> = Promise.resolve(true);
  const stop = async (): Promise<boolean> => {
    if (child.pid !== undefined) await signalDescendants(child.pid, 'SIGTERM', ['bwrap']);
    const ended = child.ended.then(() => true);
    const graceful = await Promise.race([ended, sleep(graceMs, false, { ref: false })]);
    if (!graceful) hardStop.abort();
    return graceful;
  };
  const onAbort = (): void => {
    stopped = stop();
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    finished: async () => {
      signal.removeEventListener('abort', onAbort);
      return stopped;
    },
  };
}

/**
 * Runs "$@" and then prints the CPU time of the command to stderr. The shell has a trap, so that it survives the SIGTERM of an
 * abort and can print. The command does not inherit the trap.
 */
const timesScript = 'trap : TERM; "$@"; status=$?; times >&2; exit $status';
const timesLine = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/;

/**
 * Returns the CPU seconds of child processes, from the second line that times(1p) prints: `16m54.120000s 2m3.500000s`. Returns 0
 * when `stderr` does not end with such a line.
 */
function parseTimes(stderr: string): number {
  const match = timesLine.exec(stderr.trimEnd().split('\n').at(-1) ?? '');
  if (match === null) return 0;
  const [userMin, userSec, systemMin, systemSec] = match.slice(1).map(Number);
  return ((userMin ?? 0) + (systemMin ?? 0)) * 60 + (userSec ?? 0) + (systemSec ?? 0);
}

async function works(sandbox: Sandbox, signal: AbortSignal): Promise<boolean> {
  const mount: Mount = { host: '/usr', inside: '/splat/probe', writable: false };
  const [first = 'true', ...rest] = await wrapCommand(sandbox, 'true', [], {
    signal,
    mounts: [mount],
    cwd: mount,
  });
  const end = await startTool(first, rest, { signal, timeoutMs: probeTimeoutMs }).ended;
  return end.exitCode === 0;
}

async function wrapCommand(
  sandbox: Sandbox,
  program: string,
  args: readonly string[],
  options: SandboxOptions,
): Promise<readonly string[]> {
  const timed = ['sh', '-c', timesScript, 'sh', program, ...args];
  switch (sandbox.kind) {
    case 'none':
      return timed;
    case 'unshare': {
      const user = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user'];
      const cut = ['--net', '--ipc', '--pid', '--mount-proc', '--fork', '--kill-child'];
      return ['unshare', ...user, ...cut, '--', ...timed];
    }
    case 'bwrap':
      return [
        'bwrap',
        ...(await bwrapArgs(sandbox, options)),
        '--',
        ...dropUser(sandbox),
        ...timed,
      ];
  }
}

/**
 * Returns the command that changes the user of the confined code, or an empty list when the code runs as splat's user. bwrap first
 * makes the mounts as root, because other users cannot enter a cache under /root; this command runs after that.
 */
function dropUser(sandbox: Sandbox): readonly string[] {
  if (sandbox.uid === undefined) return [];
  const ids = [`--reuid=${sandbox.uid}`, `--regid=${sandbox.uid}`, '--clear-groups'];
  return ['setpriv', ...ids, '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--'];
}

/**
 * The arguments of bwrap(1) for the sandbox's own folders. The modes are explicit because the default is 0700: the user inside did
 * not create the folders, and could not enter them.
 */
const ownFolders =
  '--proc /proc --dev /dev --perms 1777 --tmpfs /tmp --perms 0755 --dir /splat --perms 0755 --dir /etc'.split(
    ' ',
  );

async function bwrapArgs(sandbox: Sandbox, options: SandboxOptions): Promise<readonly string[]> {
  const own =
    sandbox.uid === undefined
      ? ['--unshare-all']
      : [
          ...['ipc', 'pid', 'net', 'uts', 'cgroup-try'].map((name) => `--unshare-${name}`),
          ...['SETUID', 'SETGID', 'SETPCAP'].flatMap((name) => ['--cap-add', `CAP_${name}`]),
        ];
  const mounts = options.mounts.flatMap((mount) => [
    mount.writable ? '--bind' : '--ro-bind',
    mount.host,
    mount.inside,
  ]);
  return [
    ...own,
    '--die-with-parent',
    ...ownFolders,
    ...(await systemFolders()),
    ...mounts,
    '--chdir',
    options.cwd.inside,
  ];
}

/**
 * Returns the arguments of bwrap(1) that mount the host's folders that a compiler needs, read-only. On a system with merged /usr,
 * /bin and similar folders are links, and become links in the sandbox, too.
 */
export async function systemFolders(): Promise<readonly string[]> {
  const links = await Promise.all(
    ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].map(async (path) => {
      const found = await readIfThere(lstat(path));
      if (found === undefined) return [];
      if (!found.isSymbolicLink()) return ['--ro-bind', path, path];
      return ['--symlink', await readlink(path), path];
    }),
  );
  const etc = ['/etc/alternatives', '/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d'];
  const linkers = etc.flatMap((path) => ['--ro-bind-try', path, path]);
  return ['--ro-bind', '/usr', '/usr', ...links.flat(), ...linkers];
}
