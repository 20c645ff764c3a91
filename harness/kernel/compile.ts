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

export interface Compiled {
  readonly verdict: Untestable | undefined;
  /** Number of compiled objects, those from ccache included. */
  readonly objects: number;
  readonly warnings: readonly Diagnostic[];
  readonly cpuSeconds: number;
  readonly usable: boolean;
}

export interface CompileOptions {
  readonly emit: Emit;
  /** Expected number of objects, when it is known. */
  readonly total: number | undefined;
  /** Whether the configuration has modules, which are compiled, too. */
  readonly modules: boolean;
}

/** A file system with less free space counts as full. */
const fullDiskBytes = 512 * 1024 * 1024;

/**
 * Compiles the image, vmlinux and modules, with an event for each object. A compiler's error is a verdict. A full disk, or a
 * compiler killed for lack of memory, is the host's fault and thrown as `infra`.
 */
export async function compileKernel(setup: MakeSetup, options: CompileOptions): Promise<Compiled> {
  const { emit, total, modules } = options;
  const targets = [setup.arch.imageTarget, 'vmlinux', ...(modules ? ['modules'] : [])];
  let objects = 0;
  const lines: string[] = [];
  const progress = (): void => {
    // With more objects than expected the total is unknown.
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
 * Throws `infra` when the log and the host agree on a fault of the host: a patch can print any line, so the log alone
 * proves nothing.
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

/** OOM kills since boot: `oom_kill 3` in /proc/vmstat (since 4.13). */
async function countOomKills(): Promise<number> {
  const vmstat = (await readIfThere(readFile('/proc/vmstat', 'utf8'))) ?? '';
  return Number(/^oom_kill (\d+)$/m.exec(vmstat)?.[1] ?? 0);
}

/** Measured numbers of objects in whole builds of the default fragments, for an estimate of the time. */
const typicalTotals: readonly { readonly before: KernelVersion; readonly objects: number }[] = [
  { before: [6, 7], objects: 1080 },
  { before: [Number.POSITIVE_INFINITY, 0], objects: 1175 },
];

/** The number of objects in the last whole build of this configuration; before the first build a typical number. */
export async function recallTotal(
  memo: string,
  version: KernelVersion,
): Promise<number | undefined> {
  const text = (await readIfThere(readFile(memo, 'utf8'))) ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  return typicalTotals.find(({ before }) => compareVersions(version, before) < 0)?.objects;
}

/** Stores that number for the next build. */
export async function rememberTotal(memo: string, objects: number): Promise<void> {
  await makeFolder(dirname(memo));
  await writeWhole(memo, String(objects));
}
