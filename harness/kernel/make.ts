import { createWriteStream } from 'node:fs';
import { chown, lstat, open, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { Architecture } from '../arch.ts';
import { cacheFolder } from '../host/cache-folders.ts';
import { makeFolder, readIfThere } from '../host/disk.ts';
import { findProgram } from '../host/process.ts';
import { type Mount, pathInside, runSandboxed, type Sandbox } from '../host/sandbox.ts';
import type { Toolchain } from '../records/run-request.ts';
import { toolchainWords } from './toolchain.ts';
import type { Workspace } from './workspace.ts';

/** What all calls of make for a kernel have in common. */
export interface MakeSetup {
  readonly arch: Architecture;
  readonly workspace: Workspace;
  readonly sandbox: Sandbox;
  /** The number of compilers that run at the same time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** The folder of the compiler cache. Undefined: the compilers run without ccache. */
  readonly ccache: Mount | undefined;
  readonly toolchain: Toolchain;
  /** The file to which make's output is appended. */
  readonly log: string;
  /** A folder with modules outside of the tree. When present, make builds this folder instead of the tree (`M=`). */
  readonly module?: Mount;
}

/** How a run of make ended. */
export interface MakeEnd {
  readonly exitCode: number;
  readonly cpuSeconds: number;
  /** False when make was killed. Files in make's output folder may then be truncated. */
  readonly usable: boolean;
  /** True when make was stopped because it printed nothing for 20 minutes. */
  readonly silent: boolean;
}

/**
 * The time in milliseconds after which a make that prints nothing is stopped. The longest silent step, linking with debug
 * information, takes a minute or two.
 */
export const silenceMs = 20 * 60_000;

/**
 * Variables of make whose values would otherwise differ between two builds of one tree
 * (Documentation/kbuild/reproducible-builds.rst).
 */
const stamps = [
  'KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970',
  'KBUILD_BUILD_USER=splat',
  'KBUILD_BUILD_HOST=splat',
  'KBUILD_BUILD_VERSION=1',
  'LOCALVERSION=',
];

/**
 * The largest size of the compiler cache: room for a few hundred builds of a small kernel. A build takes 60 MB, minus the objects
 * that it shares with other builds.
 */
const ccacheSize = '3G';

/**
 * Returns the folder of the compiler cache, and creates the folder if needed. Returns undefined when the host has no ccache(1), and
 * when the variable CCACHE_DISABLE is not empty.
 */
export async function openCcache(cacheRoot: string, sandbox: Sandbox): Promise<Mount | undefined> {
  if ((process.env['CCACHE_DISABLE'] ?? '') !== '') return undefined;
  if ((await findProgram('ccache')) === undefined) return undefined;
  // Each user has a folder, because a user cannot replace another user's files.
  const host = cacheFolder(cacheRoot, sandbox.uid === undefined ? 'ccache-self' : 'ccache');
  await makeFolder(host);
  if (sandbox.uid !== undefined) await chown(host, sandbox.uid, sandbox.uid);
  return { host, inside: '/splat/ccache', writable: true };
}

/**
 * Runs make in the sandbox, and calls `onLine` with each line that it prints. A failure of make is returned, not thrown. When the
 * run is interrupted, make is stopped and nothing is thrown, because the caller must first close the build folder.
 */
export async function runMake(
  setup: MakeSetup,
  targets: readonly string[],
  onLine: (line: string) => void = () => undefined,
): Promise<MakeEnd> {
  const { arch, workspace, sandbox, ccache, toolchain, module } = setup;
  const log = createWriteStream(setup.log, { flags: 'a' });
  const written = finished(log);
  // The error of a full disk is thrown below, after make has ended.
  written.catch(() => undefined);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  const end = await runSandboxed(
    sandbox,
    'make',
    [
      `-j${setup.jobs}`,
      '-C',
      pathInside(sandbox, workspace.src),
      `O=${pathInside(sandbox, workspace.obj)}`,
      `ARCH=${arch.makeArch}`,
      ...toolchainWords(toolchain, ccache !== undefined),
      ...(module === undefined ? [] : [`M=${pathInside(sandbox, module)}`]),
      ...stamps,
      ...targets,
    ],
    {
      signal: AbortSignal.any([setup.signal, silence.signal]),
      mounts: [
        workspace.src,
        workspace.obj,
        ...[ccache, module].filter((one) => one !== undefined),
      ],
      cwd: workspace.obj,
      ...(ccache === undefined ? {} : { env: ccacheEnv(pathInside(sandbox, ccache)) }),
      onLine: (line) => {
        timer.refresh();
        log.write(`${line}\n`);
        onLine(line);
      },
    },
  );
  clearTimeout(timer);
  log.end();
  await written;
  const { exitCode, cpuSeconds, graceful } = end;
  const usable = graceful && end.killedBy === undefined;
  return { exitCode, cpuSeconds, usable, silent: silence.signal.aborted };
}

function ccacheEnv(dir: string): Readonly<Record<string, string>> {
  return { CCACHE_DIR: dir, CCACHE_MAXSIZE: ccacheSize, CCACHE_COMPRESSLEVEL: '1' };
}

/**
 * Returns the path of the file `name` in make's output folder, or undefined when make built no such file. A path with a symbolic
 * link counts as missing: the build's code may have made the link, and the harness would copy the link's target with the harness's
 * own rights.
 */
export async function findBuilt(workspace: Workspace, name: string): Promise<string | undefined> {
  const root = await realpath(workspace.obj.host);
  const path = join(root, name);
  const found = await readIfThere(realpath(path));
  return found === path && (await lstat(path)).isFile() ? path : undefined;
}

/**
 * Writes a file into make's output folder, as a file of the user `uid`. An old file or link with this name is removed first, so
 * nothing is written through a link.
 */
export async function placeFile(
  workspace: Workspace,
  name: string,
  text: string,
  uid: number | undefined,
): Promise<void> {
  const path = join(workspace.obj.host, name);
  await rm(path, { recursive: true, force: true });
  await using handle = await open(path, 'wx', 0o644);
  await handle.writeFile(text);
  if (uid !== undefined) await handle.chown(uid, uid);
}

/**
 * Returns the number of objects that an incremental build will compile: the objects whose record of dependencies, such as
 * `.mmap.o.cmd` (from fixdep), names a changed file. Returns undefined when nothing was built in this folder before.
 */
export async function countDependents(
  workspace: Workspace,
  sandbox: Sandbox,
  changed: readonly string[],
): Promise<number | undefined> {
  const records = (await readdir(workspace.obj.host, { recursive: true, withFileTypes: true }))
    .filter((item) => item.isFile() && /^\..+\.o\.cmd$/.test(item.name))
    .map((item) => join(item.parentPath, item.name));
  if (records.length === 0) return undefined;
  const src = pathInside(sandbox, workspace.src);
  const needles = changed.flatMap((path) => [`${src}/${path} `, `${src}/${path}\n`]);
  let count = 0;
  for (const record of records) {
    const text = await readFile(record, 'latin1');
    if (needles.some((needle) => text.includes(needle))) count += 1;
  }
  return count;
}
