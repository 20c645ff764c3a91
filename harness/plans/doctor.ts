import { access, constants, readdir, readFile } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { defaultArch } from '../arch.ts';
import { counted } from '../counted.ts';
import { isHarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { recallAccel } from '../guest/accel.ts';
import { defaultGuest } from '../guest/recipes.ts';
import { freeDiskMib, nearestFolder, readIfThere } from '../host/disk.ts';
import { missingPackages } from '../host/packages.ts';
import { findProgram, runTool, throwIfAborted } from '../host/process.ts';
import { describeSandbox, openSandbox } from '../host/sandbox.ts';
import type { SharedStore } from '../host/shared/shared-store.ts';
import { useStore } from '../host/store-use.ts';
import { findKernel } from '../kernel/built-kernel.ts';
import type { Check } from '../records/doctor.ts';
import { openGuestSource } from '../trial/guest-source.ts';

export interface DoctorRequest {
  readonly cacheRoot: string;
  /** True to boot a guest that proves that KVM works; false to use only an earlier proof. */
  readonly prove: boolean;
  /** Opens the shared store; undefined when none is configured. */
  readonly openStore: () => Promise<SharedStore | undefined>;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

const mib = 2 ** 20;
/** The memory that a guest of the default size and its QEMU take, in MiB. */
const neededMemoryMiB = 1024 + 256;
/**
 * The free disk space that is needed, in MiB: `build` for a run that builds a kernel, `run` for a run with a kernel from the
 * cache. A source tree and its objects take 2.1 GB, as measured with 6.1 and 6.12.
 */
const neededDiskMiB = { build: 3 * 1024, run: 512 } as const;

/**
 * Checks everything on this host that a run depends on. Nothing is installed or changed, except that `prove` writes to the cache.
 */
export async function examineHost(request: DoctorRequest): Promise<readonly Check[]> {
  return [
    await checkHost(),
    checkMemory(),
    await checkPackages(),
    await checkTools(request.signal),
    await checkSandbox(request.signal),
    await checkAccel(request),
    await checkDisk(request.cacheRoot),
    ...(await checkStore(request)),
  ];
}

/** True when `splat run` can work on this host as it is. */
export function canRun(checks: readonly Check[]): boolean {
  return checks.every(({ state }) => state !== 'bad');
}

async function checkHost(): Promise<Check> {
  const release = (await readIfThere(readFile('/etc/os-release', 'utf8'))) ?? '';
  const distribution = /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? 'unknown distribution';
  const cores = availableParallelism();
  const text = `${distribution}, ${process.arch}, ${cores} cores, Node ${process.versions.node}`;
  if (process.platform === 'linux' && process.arch === 'x64') {
    return { name: 'host', state: 'good', text };
  }
  return {
    name: 'host',
    state: 'bad',
    text,
    next: `use Linux on ${defaultArch.name}: kernels are built for it`,
  };
}

function checkMemory(): Check {
  const freeMiB = Math.floor(freemem() / mib);
  const text = `${freeMiB} MiB free of ${Math.floor(totalmem() / mib)}`;
  if (freeMiB >= neededMemoryMiB) return { name: 'memory', state: 'good', text };
  const next = `free some: a guest and its QEMU take ${neededMemoryMiB} MiB; --memory-mib makes it less`;
  return { name: 'memory', state: 'doubtful', text, next };
}

async function checkPackages(): Promise<Check> {
  const missing = await missingPackages();
  if (missing.length === 0) return { name: 'packages', state: 'good', text: 'all installed' };
  const apt = (await findProgram('apt-get')) !== undefined;
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  return {
    name: 'packages',
    state: 'bad',
    text: `missing: ${missing.join(' ')}`,
    next: apt
      ? `${sudo}apt-get install ${missing.join(' ')}`
      : 'install the programs of these Debian packages',
  };
}

async function checkTools(signal: AbortSignal): Promise<Check> {
  const versions = await Promise.all(
    ['git', 'gcc', defaultArch.qemu.program].map(async (program) => {
      const version = await versionOf(program, signal);
      return { program, version };
    }),
  );
  const absent = versions.filter(({ version }) => version === undefined);
  return {
    name: 'tools',
    state: absent.length === 0 ? 'good' : 'bad',
    text: versions.map(({ program, version }) => `${program} ${version ?? 'missing'}`).join(', '),
  };
}

/**
 * Reads a program's version from the first line that it prints, such as `gcc (Debian 12.2.0-14) 12.2.0`. The version is the first
 * number with dots outside of parentheses. Returns undefined when there is no such number.
 */
export function parseToolVersion(stdout: string): string | undefined {
  const [line = ''] = stdout.split('\n', 1);
  return /(\d+(?:\.\d+)+)/.exec(line.replace(/\(.*?\)/g, ''))?.[1];
}

async function versionOf(program: string, signal: AbortSignal): Promise<string | undefined> {
  if ((await findProgram(program)) === undefined) return undefined;
  const { stdout } = await runTool(program, ['--version'], { signal, okCodes: [0, 1, -1] });
  return parseToolVersion(stdout);
}

async function checkSandbox(signal: AbortSignal): Promise<Check> {
  const sandbox = await openSandbox(signal);
  const text = describeSandbox(sandbox);
  if (sandbox.missing.length === 0) return { name: 'sandbox', state: 'good', text };
  const next = 'install bubblewrap and allow user namespaces, or build only patches you trust';
  return { name: 'sandbox', state: 'doubtful', text, next };
}

async function checkAccel(request: DoctorRequest): Promise<Check> {
  const name = 'accel';
  if ((await findProgram(defaultArch.qemu.program)) === undefined) {
    return {
      name,
      state: 'doubtful',
      text: `unknown: ${defaultArch.qemu.program} is not installed`,
    };
  }
  const known = (await recallAccel(request)) ?? (await proveAccel(request));
  if (known === undefined) {
    return {
      name,
      state: 'doubtful',
      text: 'unknown: /dev/kvm opens, and no guest has proved yet that it works',
      next: 'splat doctor --prove, once a kernel was built by splat build; a run finds out as well',
    };
  }
  const text = `${known.accel} (${known.reason})`;
  if (known.accel === 'kvm') return { name, state: 'good', text };
  const next = 'everything works emulated, about ten times slower; use a host with working KVM';
  return { name, state: 'doubtful', text, next };
}

/**
 * Boots a guest on any kernel in the cache to prove that KVM works. Returns undefined when the user asked for no proof, and when
 * the cache has no kernel.
 */
async function proveAccel(
  request: DoctorRequest,
): Promise<{ readonly accel: string; readonly reason: string } | undefined> {
  if (!request.prove) return undefined;
  await using _use = await useStore(request.cacheRoot, { signal: request.signal });
  for (const key of (await readIfThere(readdir(join(request.cacheRoot, 'kernel')))) ?? []) {
    const kernel = await findKernel(request.cacheRoot, key);
    if (kernel === undefined) continue;
    const guest = { guest: defaultGuest, accel: 'auto', memoryMiB: 1024, cpus: 2 } as const;
    return (await openGuestSource(kernel, { ...request, ...guest })).accel;
  }
  return undefined;
}

async function checkDisk(cacheRoot: string): Promise<Check> {
  const kernels = (await readIfThere(readdir(join(cacheRoot, 'kernel')))) ?? [];
  const neededMiB = kernels.length === 0 ? neededDiskMiB.build : neededDiskMiB.run;
  const freeMiB = await freeDiskMib(cacheRoot);
  const built = counted(kernels.length, 'kernel');
  const text = `${freeMiB} MiB free for ${cacheRoot}, which has ${built}`;
  if (!(await isWritable(cacheRoot))) {
    const next = 'make it writable, or name another folder in SPLAT_CACHE';
    return { name: 'disk', state: 'bad', text: `${cacheRoot} cannot be written to`, next };
  }
  if (freeMiB >= neededMiB) return { name: 'disk', state: 'good', text };
  const next = `free ${neededMiB} MiB: splat cache prune --max-size, or SPLAT_CACHE on another disk`;
  return { name: 'disk', state: 'bad', text, next };
}

/**
 * Checks the shared store with a request for a kernel that no host has. Returns an empty list when no store is configured. The
 * check is `doubtful` when the store does not answer, and `bad` when the store is configured wrongly.
 */
async function checkStore({ openStore, signal }: DoctorRequest): Promise<readonly Check[]> {
  const name = 'store';
  try {
    await using store = await openStore();
    if (store === undefined) return [];
    const startedAt = performance.now();
    try {
      await using _held = await store.hold(signal);
      await store.find({ kind: 'kernel', key: '0'.repeat(32) }, signal);
    } catch (error) {
      throwIfAborted(signal);
      const next = 'runs go on without the store, and build what it would have given';
      return [{ name, state: 'doubtful', text: store.explain(error), next }];
    }
    const ms = Math.round(performance.now() - startedAt);
    const how = store.signer === undefined ? 'read-only' : `signed with ${store.signer}`;
    return [{ name, state: 'good', text: `${store.name} answers in ${ms} ms, ${how}` }];
  } catch (error) {
    if (!isHarnessError(error, 'usage')) throw error;
    return [{ name, state: 'bad', text: error.message, next: 'mend SPLAT_STORE and its keys' }];
  }
}

async function isWritable(cacheRoot: string): Promise<boolean> {
  return access(await nearestFolder(cacheRoot), constants.W_OK).then(
    () => true,
    () => false,
  );
}
