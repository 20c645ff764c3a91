import type { Agent } from '../guest/agent.ts';
import type { GpuDevice } from '../guest/devices.ts';
import type { PlacedFunction } from '../host/compile-units.ts';
import type { KernelModules } from '../kernel/built-kernel.ts';
import type { LedgerReading } from '../records/ledger.ts';
import {
  driverCounters,
  driverFolder,
  findTraceable,
  parseProfile,
  parseVmstat,
  profiledFunctions,
  profileFiles,
} from '../stress/counters.ts';
import { ledgerFiles, readLedger } from '../stress/ledger.ts';
import { type Armed, armCoverage, readCalls, readTables } from './coverage.ts';
import { forgetLeaks, type LeakDetector } from './leaks.ts';
import { type LoadedModule, loadModules } from './load-modules.ts';

/** The ledger (the health of the detectors) and the counters of a guest's kernel, read at one moment. */
export interface Reading {
  readonly ledger: LedgerReading;
  /** The counts since boot, by the counter's name. The difference between two readings shows what a workload did. */
  readonly counters: Readonly<Record<string, number>>;
}

/** The state of a guest that is ready and has run no workload. All copies of a saved guest begin with exactly this state. */
export interface Prepared extends LeakDetector {
  readonly before: Reading;
  /**
   * True when clear_warn_once was written, so that warnings that fire once can fire again
   * (Documentation/admin-guide/clearing-warn-once.rst).
   */
  readonly warnOnceArmed: boolean;
  /**
   * The functions that were requested in addition to the witnesses and whose calls this kernel can count. Absent: there are no
   * such functions.
   */
  readonly profiled?: readonly string[];
  /**
   * The functions whose calls this kernel cannot count because the kernel lacks or inlines them, each as `calls.FUNCTION`. Absent:
   * the kernel can count all.
   */
  readonly missing?: readonly string[];
  /**
   * What the guest lacks though it was requested, such as a GPU with 3D. Then only canaries (workloads with a seeded bug) run in
   * the guest. Absent: the guest lacks nothing.
   */
  readonly lacks?: string;
  /** The modules that were loaded. Absent: no module. */
  readonly modules?: readonly LoadedModule[];
  /** What a coverage run watches. Absent: this is not a coverage run. */
  readonly armed?: Armed;
}

/** Returns the names of the functions that a guest counts in addition to the witnesses of the workloads. */
export function countedBesides({
  profiled = [],
  modules = [],
}: Pick<Prepared, 'profiled' | 'modules'>): readonly string[] {
  return [...profiled, ...modules.flatMap(({ functions }) => functions)];
}

const prepareTimeoutMs = 30_000;
const warmUpTimeoutMs = 120_000;
/**
 * How many bytes of the kernel's list of traceable functions are read at most. The list of splat's kernels has about 1 MiB, the
 * list of a distribution's kernel with all modules up to 4 MiB.
 */
const traceableLimitBytes = 16 * 1024 * 1024;

/**
 * Prepares a booted guest for its trials. Loads the modules, starts the counters of the witnesses and of the functions in `more`,
 * runs the command `warmUp`, makes kmemleak forget older leaks, and takes the first reading of ledger and counters.
 */
export async function prepareGuest(
  agent: Agent,
  cpus: number,
  {
    more = [],
    warmUp,
    gpu,
    kernelModules,
    placed,
  }: {
    readonly more?: readonly string[];
    readonly warmUp?: readonly string[];
    /** For a coverage run: the functions of the kernel's image. Absent: this is no coverage run. */
    readonly placed?: readonly PlacedFunction[];
    /** The GPU that was requested for the guest. Absent: any GPU. */
    readonly gpu?: Pick<GpuDevice, 'renders'>;
    readonly kernelModules?: KernelModules;
  } = {},
): Promise<Prepared> {
  // The kernel can count a module's functions only after it has loaded the module.
  const modules = kernelModules === undefined ? [] : await loadModules(agent, kernelModules);
  const traceable = await agent.read(profileFiles.traceable, traceableLimitBytes);
  const list = traceable?.toString('latin1') ?? '';
  const asked = [...profiledFunctions, ...more];
  const traced = await countCalls(agent, list, asked);
  const profiled = more.filter((name) => traced.has(name));
  const missing = asked.filter((name) => !traced.has(name)).map((name) => `calls.${name}`);
  // Coverage counts functions of the user's modules only: no watched file belongs to a module of the kernel's tree.
  const own = modules.flatMap(({ name, functions: counted }) =>
    counted.length === 0 ? [] : [name],
  );
  const functions = placed === undefined ? undefined : await armCoverage(agent, list, placed, own);
  await agent.write(profileFiles.enabled, '1');
  // The first program makes the kernel patch its code (the static keys of cgroup and memcg). Under TCG such a patch can race with
  // another CPU that runs the code. This race should happen in the boot, whose console splat examines, and not in a copy.
  await agent.run(['/bin/true'], prepareTimeoutMs, () => undefined);
  // The warm-up mounts the disk. A kernel that cannot mount it complains here, and not again in each trial.
  if (warmUp !== undefined) await agent.run(warmUp, warmUpTimeoutMs, () => undefined);
  const detector = await forgetLeaks(agent);
  await agent.standBy();
  const warnOnceArmed = await agent.write('/sys/kernel/debug/clear_warn_once', '1');
  const before = await takeReading(agent, cpus, countedBesides({ profiled, modules }));
  const armed =
    functions === undefined ? undefined : { functions, before: await readCalls(agent, cpus) };
  return {
    before,
    warnOnceArmed,
    ...(await lackOf(agent, gpu)),
    ...detector,
    ...(armed === undefined ? {} : { armed }),
    ...(modules.length === 0 ? {} : { modules }),
    ...(profiled.length === 0 ? {} : { profiled }),
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** The minor numbers of the DRM devices in splat's kernels, and one more. */
const minors = [0, 1, 2, 3];

/** Returns the field `lacks`, which names what the guest lacks for the requested GPU; returns no field when it lacks nothing. */
async function lackOf(
  agent: Agent,
  gpu: Pick<GpuDevice, 'renders'> | undefined,
): Promise<Pick<Prepared, 'lacks'>> {
  const lacks = gpu?.renders === undefined ? undefined : await whyNot3D(agent);
  return lacks === undefined ? {} : { lacks };
}

/** Returns why the guest's GPU cannot draw in 3D; returns undefined when the GPU can (virtgpu_debugfs.c). */
async function whyNot3D(agent: Agent): Promise<string | undefined> {
  for (const minor of minors) {
    const path = `/sys/kernel/debug/dri/${minor}/virtio-gpu-features`;
    const text = (await agent.read(path))?.toString('latin1');
    if (text === undefined) continue;
    return /^virgl\s*:\s*yes$/m.test(text)
      ? undefined
      : 'the GPU of this guest has no 3D (virgl: no)';
  }
  return 'this guest has no virtio GPU, so no 3D';
}

/**
 * Makes the profiler count the calls of the functions `names` and of the compiler's versions of them, such as `NAME.isra.0`.
 * Returns the names that the kernel can count: those that ftrace can trace (Documentation/trace/ftrace.rst). Writes line numbers
 * of the kernel's list of functions to the filter, because for each name the kernel would search the whole list.
 */
async function countCalls(
  agent: Agent,
  traceable: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const { indices, found } = findTraceable(traceable, names);
  if (indices.length === 0) return new Set();
  const isTaken = await agent.append(profileFiles.filter, `${indices.join('\n')}\n`);
  return isTaken ? found : new Set();
}

/**
 * Reads the ledger (the health of the detectors) and all counters. `more` has the names of the functions that are counted in
 * addition to the witnesses.
 */
export async function takeReading(
  agent: Agent,
  cpus: number,
  more: readonly string[] = [],
): Promise<Reading> {
  const text = async (path: string): Promise<string | undefined> =>
    (await agent.read(path))?.toString('latin1');
  // The agent answers in order. All requests are sent at once, so that no request waits for the answer to an earlier request.
  const [lockdepStats, tainted, proveLocking, vmstat, tables, driver] = await Promise.all([
    text(ledgerFiles.lockdepStats),
    text(ledgerFiles.tainted),
    text(ledgerFiles.proveLocking),
    text('/proc/vmstat'),
    readTables(agent, cpus),
    Promise.all(driverCounters.map(async (name) => text(`${driverFolder}/${name}`))),
  ]);
  const ledger = readLedger({ lockdepStats, tainted, proveLocking });
  const counters = { ...parseProfile(tables, more), ...parseVmstat(vmstat ?? '') };
  for (const [index, name] of driverCounters.entries()) {
    const value = driver[index];
    if (value !== undefined) counters[`driver.${name}`] = Number(value);
  }
  return { ledger, counters };
}
