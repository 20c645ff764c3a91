import { readFile, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { makeFolder, readIfThere, writeWhole } from '../host/disk.ts';
import { tail } from '../host/process.ts';
import type { Diagnostic } from '../records/build.ts';
import type { Untestable } from '../verdict.ts';
import { explainBuildFailure, hostFault, isObjectLine, parseDiagnostic } from './build-log.ts';
import { type MakeSetup, runMake, silenceMs } from './make.ts';
import { compareVersions, type KernelVersion } from './source.ts';

/** How the compilation of a kernel ended. */
export interface Compiled {
  /** Why the kernel does not compile. Undefined when everything was compiled, and when the build was interrupted. */
  readonly verdict: Untestable | undefined;
  /** The number of objects that were compiled, including those from ccache. */
  readonly objects: number;
  readonly warnings: readonly Diagnostic[];
  readonly cpuSeconds: number;
  /** False when make was killed. Files in make's output folder may then be truncated. */
  readonly usable: boolean;
}

export interface CompileOptions {
  readonly emit: Emit;
  /** An estimate of the number of objects that the build will compile. Undefined when no estimate exists. */
  readonly total: number | undefined;
  /** True when the configuration has modules. The modules are then compiled, too. */
  readonly modules: boolean;
}

/** A file system with less free space than this counts as full. */
const fullDiskBytes = 512 * 1024 * 1024;

/**
 * Compiles the kernel's image, vmlinux and, with `modules`, the modules. Emits an event for each object. Returns a verdict when the
 * sources do not compile, and when make prints nothing for 20 minutes. Throws `infra` when the disk of the host is full, and when
 * the host killed a compiler for lack of memory.
 */
export async function compileKernel(setup: MakeSetup, options: CompileOptions): Promise<Compiled> {
  const { emit, total, modules } = options;
  const targets = [setup.arch.imageTarget, 'vmlinux', ...(modules ? ['modules'] : [])];
  let objects = 0;
  const lines: string[] = [];
  const progress = (): void => {
    // When make compiles more objects than expected, the expected total was wrong and is no longer reported.
    const known = total !== undefined && objects <= total ? total : undefined;
    const ofTotal = known === undefined ? {} : { total: known };
    emit({ kind: 'stage-progress', stage: 'build', done: objects, ...ofTotal, unit: 'objects' });
  };
  const oomKillsBefore = await countOomKills();
  progress();
  const end = await runMake(setup, targets, (line) => {
    if (isObjectLine(line)) {
      objects += 1;
      progress();
    } else lines.push(line);
  });
  const facts = { objects, cpuSeconds: end.cpuSeconds, usable: end.usable };
  if (end.exitCode === 0 || setup.signal.aborted) {
    return { ...facts, verdict: undefined, warnings: warningsOf(lines) };
  }
  await throwHostFault(setup, lines, oomKillsBefore);
  const message = end.silent
    ? `make printed nothing for ${silenceMs / 60_000} minutes`
    : explainBuildFailure(lines);
  const output = tail(await readFile(setup.log, 'utf8'));
  const verdict: Untestable = { kind: 'untestable', because: 'build', message, output };
  return { ...facts, verdict, warnings: warningsOf(lines) };
}

function warningsOf(lines: readonly string[]): readonly Diagnostic[] {
  return lines.flatMap((line) => {
    const found = parseDiagnostic(line);
    return found?.severity === 'warning' ? [found] : [];
  });
}

/**
 * Throws `infra` when a failed build is the host's fault: a full disk, or too little memory. Both the build log and the host must
 * show the fault. The log alone proves nothing, because a patch can make the build print any line.
 */
async function throwHostFault(
  setup: MakeSetup,
  lines: readonly string[],
  oomKillsBefore: number,
): Promise<void> {
  const output = tail(lines.join('\n'));
  const where = setup.workspace.dir;
  const fault = hostFault(lines);
  if (fault === 'memory' && (await countOomKills()) > oomKillsBefore) {
    const message = 'the compiler was killed for lack of memory; use fewer --jobs';
    throw new HarnessError('infra', message, { output });
  }
  if (fault !== 'disk') return;
  const { bavail, bsize } = await statfs(where);
  if (bavail * bsize < fullDiskBytes) {
    throw new HarnessError('infra', `cannot build in ${where}: no space left`, { output });
  }
}

/**
 * Returns the number of OOM kills since the host booted, from the line `oom_kill 3` in /proc/vmstat (since Linux 4.13). Returns 0
 * when /proc/vmstat has no such line.
 */
async function countOomKills(): Promise<number> {
  const vmstat = (await readIfThere(readFile('/proc/vmstat', 'utf8'))) ?? '';
  return Number(/^oom_kill (\d+)$/m.exec(vmstat)?.[1] ?? 0);
}

/**
 * The measured number of objects in a whole build of a small kernel, for kernel versions before `before`. This number is the
 * estimate for the first build of a configuration.
 */
const typicalTotals: readonly { readonly before: KernelVersion; readonly objects: number }[] = [
  { before: [6, 7], objects: 1080 },
  { before: [Number.POSITIVE_INFINITY, 0], objects: 1175 },
];

/**
 * Estimates how many objects a whole build of a configuration will compile. The file `memo` has the number of objects in the last
 * whole build. Without this file, returns a number that is typical of the kernel version.
 */
export async function recallTotal(
  memo: string,
  version: KernelVersion,
): Promise<number | undefined> {
  const text = (await readIfThere(readFile(memo, 'utf8'))) ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  return typicalTotals.find(({ before }) => compareVersions(version, before) < 0)?.objects;
}

/** Stores the number of objects of a whole build in the file `memo`, for recallTotal(). */
export async function rememberTotal(memo: string, objects: number): Promise<void> {
  await makeFolder(dirname(memo));
  await writeWhole(memo, String(objects));
}
