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

/** What a coverage run learns from one trial. */
export interface TrialCoverage {
  /** The number of calls since the guest was prepared, by the names that the profiler shows. */
  readonly calls: Readonly<Record<string, number>>;
  /** Functions that called __mmu_notifier_invalidate_range_start(). */
  readonly callers: readonly string[];
  /** Requests of ioctl(2) that did not fail. */
  readonly ioctls: readonly number[];
}

/** The counters of a guest that counts the watched functions. */
export interface Armed {
  readonly functions: readonly WatchedFunction[];
  /** The number of calls at that moment, by the names that the profiler shows. */
  readonly before: Readonly<Record<string, number>>;
}

const tracing = '/sys/kernel/tracing';
/** A tracer of its own, so that its filter is not the profiler's. */
const instance = `${tracing}/instances/splat`;
const listFile = '/tmp/watched-functions';
/** Written by every program of the guest that gets this path (guests/minimal/ioctls.c). */
const ioctlFile = '/tmp/ioctls';
const armTimeoutMs = 300_000;
/** The list of all functions is about 1 MiB, the trace of a trial at most the ring buffer's 1.4 MiB a CPU, which grows when printed. */
const listLimitBytes = 16 * 1024 * 1024;

const run = async (agent: Agent, script: string): Promise<void> => {
  await agent.run(['/bin/sh', '-c', script], armTimeoutMs, () => undefined);
};

/** Adds the watched functions, and those of the modules, to those that the profiler counts; has the callers of range starts traced. */
export async function armCoverage(
  agent: Agent,
  placed: readonly PlacedFunction[],
  modules: readonly string[],
): Promise<readonly WatchedFunction[]> {
  const list = await agent.read(`${tracing}/available_filter_functions`, listLimitBytes);
  const functions = watchFunctions(list?.toString('latin1') ?? '', placed, modules);
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

/** The number of calls so far of each function that the profiler counts. */
export async function readCalls(agent: Agent, cpus: number): Promise<Record<string, number>> {
  const tables: string[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) {
    const table = await agent.read(`${profileFiles.statistics}${cpu}`, listLimitBytes);
    tables.push(table?.toString('latin1') ?? '');
  }
  return readShownCalls(tables);
}

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

/** The file is a table of 32-bit numbers, of which those that are not 0 are requests. */
function readIoctls(table: Buffer): readonly number[] {
  const requests = new Set<number>();
  for (let at = 0; at + 4 <= table.length; at += 4) requests.add(table.readUInt32LE(at));
  requests.delete(0);
  return [...requests].toSorted((a, b) => a - b);
}
