import type { Agent } from '../guest/agent.ts';
import type { PlacedFunction } from '../host/compile-units.ts';
import { profileFiles } from '../stress/counters.ts';
import {
  rangeStart,
  readCallers,
  readShownCalls,
  type WatchedFunction,
  watchFunctions,
} from '../stress/watched-files.ts';

/** What one trial of a coverage run shows: which code ran. */
export interface TrialCoverage {
  /**
   * How many times each function was called since the guest was prepared. The keys are the names that the kernel's profiler
   * shows: the first 30 characters. Functions without a call are left out.
   */
  readonly calls: Readonly<Record<string, number>>;
  /** The names of the functions that called __mmu_notifier_invalidate_range_start(), sorted. */
  readonly callers: readonly string[];
  /** The request numbers of the ioctl(2) calls of splat's own programs that did not fail, sorted. */
  readonly ioctls: readonly number[];
}

/** What a guest that is prepared for a coverage run counts. */
export interface Armed {
  readonly functions: readonly WatchedFunction[];
  /** How many times each function had been called before the guest was prepared, by the name that the profiler shows. */
  readonly before: Readonly<Record<string, number>>;
}

const tracing = '/sys/kernel/tracing';
/** The folder of splat's own instance of the tracer: a filter that is set in it does not change the filter of the profiler. */
const instance = `${tracing}/instances/splat`;
const listFile = '/tmp/watched-functions';
/** When this file exists, splat's programs in the guest record their ioctl(2) requests in it (guests/minimal/ioctls.c). */
const ioctlFile = '/tmp/ioctls';
const armTimeoutMs = 300_000;
/**
 * How many bytes of a table or a trace are read at most. The kernel keeps 1.4 MiB of trace for each CPU; printed as text, a trace
 * is longer.
 */
const listLimitBytes = 16 * 1024 * 1024;

const run = async (agent: Agent, script: string): Promise<void> => {
  await agent.run(['/bin/sh', '-c', script], armTimeoutMs, () => undefined);
};

/**
 * Prepares a guest for a coverage run. After that, the profiler also counts the watched functions of the kernel and all functions
 * of `modules`, splat's programs record their ioctl(2) requests, and ftrace records the callers of the function that begins a
 * notifier's range. `traceable` is the kernel's list of the functions that ftrace can trace. Returns the counted functions.
 */
export async function armCoverage(
  agent: Agent,
  traceable: string,
  placed: readonly PlacedFunction[],
  modules: readonly string[],
): Promise<readonly WatchedFunction[]> {
  const functions = watchFunctions(traceable, placed, modules);
  const text = functions.map(({ index }) => `${index}\n`).join('');
  await agent.put(listFile, 0o600, Buffer.from(text));
  await run(
    agent,
    [
      `cat ${listFile} >> ${profileFiles.filter}`,
      `rm ${listFile}`,
      `mkdir ${instance}`,
      `echo ${rangeStart} > ${instance}/set_ftrace_filter`,
      `echo function > ${instance}/current_tracer`,
      `: > ${ioctlFile}`,
    ].join('; '),
  );
  return functions;
}

/** Returns how many calls of each function the profiler has counted so far. */
export async function readCalls(agent: Agent, cpus: number): Promise<Record<string, number>> {
  return readShownCalls(await readTables(agent, cpus, listLimitBytes));
}

/**
 * Returns the profiler's table of counted functions for each CPU, and empty text for a CPU without a table. Reads at most
 * `limitBytes` of each table.
 */
export async function readTables(
  agent: Agent,
  cpus: number,
  limitBytes?: number,
): Promise<readonly string[]> {
  const paths = Array.from({ length: cpus }, (_, cpu) => `${profileFiles.statistics}${cpu}`);
  const tables = await Promise.all(paths.map(async (path) => agent.read(path, limitBytes)));
  return tables.map((table) => table?.toString('latin1') ?? '');
}

/** Reads at the end of a trial what was counted, traced and recorded since the guest was prepared. */
export async function readCoverage(
  agent: Agent,
  cpus: number,
  { before }: Armed,
): Promise<TrialCoverage> {
  const after = await readCalls(agent, cpus);
  const trace = await agent.read(`${instance}/trace`, listLimitBytes);
  const ioctls = await agent.read(ioctlFile);
  return {
    calls: Object.fromEntries(
      Object.entries(after).flatMap(([name, count]) =>
        count > (before[name] ?? 0) ? [[name, count - (before[name] ?? 0)]] : [],
      ),
    ),
    callers: readCallers(trace?.toString('latin1') ?? ''),
    ioctls: readIoctls(ioctls ?? Buffer.alloc(0)),
  };
}

/**
 * Reads a file that guests/minimal/ioctls.c wrote: a table of ioctl(2) request numbers of 32 bits. A 0 is an empty entry. Returns
 * the requests sorted, each once.
 */
function readIoctls(table: Buffer): readonly number[] {
  const requests = new Set<number>();
  for (let at = 0; at + 4 <= table.length; at += 4) requests.add(table.readUInt32LE(at));
  requests.delete(0);
  return [...requests].toSorted((a, b) => a - b);
}
