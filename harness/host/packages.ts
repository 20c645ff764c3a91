import { stat } from 'node:fs/promises';
import { defaultArch } from '../arch.ts';
import { HarnessError } from '../errors.ts';
import { acquireLock } from './lock.ts';
import { findProgram, runTool } from './process.ts';

/** A program or a file that splat needs on the host, with the Debian package that has it. */
export interface Need {
  /** The name of a program on PATH, or an absolute path of a program or a file. */
  readonly program: string;
  readonly debian: string;
  /** What the program or file is for: `builds kernels`. */
  readonly why: string;
}

/** Everything that a build, a boot and a workload need, with the package in Debian 12. */
export const needs: readonly Need[] = [
  { program: 'git', debian: 'git', why: 'reads mails and applies patches' },
  { program: 'make', debian: 'make', why: 'builds kernels' },
  { program: 'gcc', debian: 'gcc', why: 'builds kernels and the guest' },
  { program: '/usr/include/stdio.h', debian: 'libc6-dev', why: 'builds the guest' },
  { program: '/usr/include/libdrm/drm.h', debian: 'libdrm-dev', why: 'builds the guest' },
  { program: 'flex', debian: 'flex', why: "builds the kernel's kconfig" },
  { program: 'bison', debian: 'bison', why: "builds the kernel's kconfig" },
  { program: 'bc', debian: 'bc', why: 'builds kernels' },
  { program: 'perl', debian: 'perl', why: 'builds kernels' },
  { program: 'xz', debian: 'xz-utils', why: 'unpacks kernel sources' },
  { program: '/usr/include/libelf.h', debian: 'libelf-dev', why: "builds the kernel's objtool" },
  { program: 'ccache', debian: 'ccache', why: 'compiles nothing twice' },
  { program: 'bwrap', debian: 'bubblewrap', why: 'confines builds' },
  { program: '/bin/busybox', debian: 'busybox-static', why: 'is in the guest' },
  {
    program: defaultArch.qemu.program,
    debian: defaultArch.qemu.debianPackage,
    why: 'runs the guest',
  },
  { program: 'mkswap', debian: 'util-linux', why: "makes the guest's swap" },
];

/** The programs that only `splat shell` needs. */
export const shellNeeds: readonly Need[] = [
  { program: 'dropbear', debian: 'dropbear-bin', why: 'lets a person into the guest' },
];

/**
 * The programs that splat needs only to make a disk with programs from elsewhere, such as the tests of IGT (the GPU tests of drm).
 */
export const toolsNeeds: readonly Need[] = [
  { program: 'mkfs.erofs', debian: 'erofs-utils', why: 'packs the disk of IGT' },
  { program: 'readelf', debian: 'binutils', why: 'finds the libraries of tests' },
  { program: 'dpkg-deb', debian: 'dpkg', why: 'unpacks packages of Debian' },
];

/** The programs that splat needs only to make a guest that is a whole Debian. A user other than root also needs newuidmap. */
export const debianNeeds: readonly Need[] = [
  { program: 'mkfs.erofs', debian: 'erofs-utils', why: 'packs the disk of a Debian' },
  { program: 'perl', debian: 'perl', why: 'runs mmdebstrap' },
  { program: 'dpkg-deb', debian: 'dpkg', why: 'unpacks packages of Debian' },
  ...(process.getuid?.() === 0
    ? []
    : [
        {
          program: 'newuidmap',
          debian: 'uidmap',
          why: 'gives the files of a Debian guest their owners',
        },
      ]),
];

/** The needs of a guest whose GPU draws in a window of the host. The window is on an X server without a screen (Xvfb). */
export const windowNeeds: readonly Need[] = [
  { program: 'Xvfb', debian: 'xvfb', why: 'is the screen for a GPU that draws' },
  {
    program: '/usr/lib/x86_64-linux-gnu/qemu/ui-sdl.so',
    debian: 'qemu-system-gui',
    why: 'shows what a GPU draws',
  },
];

/**
 * Returns the Debian packages, without duplicates, of the programs and files in `wanted` that this host lacks. Programs are
 * searched on PATH, in /usr/sbin and in /sbin.
 */
export async function missingPackages(wanted = needs): Promise<readonly string[]> {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const found = await Promise.all(
    wanted.map(async ({ program }) =>
      /^\/usr\/(?:include|lib)\//.test(program)
        ? isFile(program)
        : (await findProgram(program, path)) !== undefined,
    ),
  );
  return [...new Set(wanted.filter((_, index) => !found[index]).map(({ debian }) => debian))];
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

export interface InstallOptions {
  readonly needs: readonly Need[];
  readonly signal: AbortSignal;
  /** True when there is no terminal, or with CI=true. Packages are then installed without a question. */
  readonly unattended: boolean;
  /** Asks the person at the terminal and resolves to true for a yes; not called when unattended. */
  readonly ask: (question: string) => Promise<boolean>;
  readonly onLine: (line: string) => void;
  readonly onStart: (packages: readonly string[]) => void;
}

/**
 * The lock that is held while packages are installed. Without this lock, apt-get would fail when two splat processes install at the
 * same time.
 */
const installLock = '/run/splat-install.lock';
/**
 * The number of seconds that apt-get waits for another program that installs packages, such as unattended-upgrades (apt.conf(5)).
 */
const aptPatienceS = 300;

/**
 * Installs those packages of `needs` that this host lacks, with apt-get(8). The person at the terminal is asked first, unless
 * `unattended`. Throws `tool`, with the packages in the message, when apt is not installed, when splat does not run as root, when
 * the person says no, and when a program is still missing afterwards.
 */
export async function installMissing(options: InstallOptions): Promise<void> {
  const missing = await missingPackages(options.needs);
  if (missing.length === 0) return;
  const line = `apt-get install ${missing.join(' ')}`;
  if ((await findProgram('apt-get')) === undefined) {
    throw new HarnessError(
      'tool',
      `programs are missing; on Debian, these packages have them: ${missing.join(' ')}`,
    );
  }
  if (process.getuid?.() !== 0)
    throw new HarnessError('tool', `packages of Debian are missing; run: sudo ${line}`);
  if (
    !options.unattended &&
    !(await options.ask(`splat needs ${missing.join(' ')}. Install them now? [y/N] `))
  ) {
    throw new HarnessError('tool', `packages of Debian are missing; run: ${line}`);
  }
  await using _lock = await acquireLock(installLock, options);
  const left = await missingPackages(options.needs);
  if (left.length === 0) return;
  options.onStart(left);
  const apt = {
    signal: options.signal,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    onLine: options.onLine,
  };
  await runTool('apt-get', ['update'], apt);
  const flags = ['--yes', '--no-install-recommends', '-o', `DPkg::Lock::Timeout=${aptPatienceS}`];
  await runTool('apt-get', ['install', ...flags, ...left], apt);
  const still = await missingPackages(options.needs);
  if (still.length > 0)
    throw new HarnessError(
      'tool',
      `apt-get install succeeded, yet packages are missing: ${still.join(' ')}`,
    );
}
