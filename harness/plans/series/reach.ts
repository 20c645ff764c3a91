import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { Reach, ReachOf } from './classes.ts';
import type { WatchedFunction } from './coverage.ts';
import type { SeriesLog } from './facts.ts';

export interface ReachRequest {
  readonly log: SeriesLog;
  /** What each patch changes, at its index from 0; undefined for a patch that does not apply. */
  readonly changes: readonly (PatchChanges | undefined)[];
  /** The changed functions of the whole series whose calls can be counted. */
  readonly watched: readonly WatchedFunction[];
  /** For each changed .c file, by its path: the functions of other files that the file calls. */
  readonly standIns: ReadonlyMap<string, readonly string[]>;
  /** Workloads for which the answer is always `unknown`, because a patch may make their seeded bugs visible. */
  readonly apart: ReadonlySet<string>;
}

/**
 * Returns a function that tells whether a workload can show an effect of patches, from the call counters of all trials so far.
 * `yes`: the workload called a changed function; when its calls cannot be counted, its nearest caller counts. `no`: the patches
 * change no code, or all changed functions were counted and the workload called no changed function and no caller of one.
 * `unknown`: the counters do not tell. Examples are a header, an option, code that runs at boot, and a function that the compiler
 * may have inlined in a caller that was called. For a change in a .c file that cannot be counted at all (a macro, a structure, a
 * function that ftrace cannot trace), calls to the file's stand-ins decide between `no` and `unknown`.
 */
export function openReach(request: ReachRequest): ReachOf {
  const { log, changes, apart } = request;
  let known = { facts: -1, calls: new Map<string, Calls>() };
  return (from, to, workload) => {
    if (apart.has(workload)) return 'unknown';
    if (known.facts !== log.facts.length) {
      known = { facts: log.facts.length, calls: countCalls(log) };
    }
    const reaches = changes
      .slice(from, to)
      .map((change) => reachOfPatch(change, workload, { ...request, calls: known.calls }));
    if (reaches.includes('yes')) return 'yes';
    return reaches.includes('unknown') ? 'unknown' : 'no';
  };
}

/**
 * The functions whose calls were counted in the trials of one workload (`counted`), and the functions that the workload called
 * (`called`). Only trials that ran to their end count: the counters of a guest that died were never read.
 */
interface Calls {
  readonly counted: Set<string>;
  readonly called: Set<string>;
}

function countCalls({ facts }: SeriesLog): Map<string, Calls> {
  const kernels = new Map<string, readonly string[]>();
  for (const fact of facts) {
    if (fact.kind === 'step') kernels.set(`${fact.branch ?? ''} ${fact.step}`, fact.profiled ?? []);
  }
  const calls = new Map<string, Calls>();
  for (const fact of facts) {
    if (fact.kind !== 'trial' || fact.trial.state !== 'heard') continue;
    const { workload, step } = fact.trial;
    const own = calls.get(workload) ?? { counted: new Set(), called: new Set() };
    calls.set(workload, own);
    for (const name of kernels.get(`${fact.branch ?? ''} ${step}`) ?? []) own.counted.add(name);
    for (const name of Object.keys(fact.calls ?? {})) own.called.add(name);
  }
  return calls;
}

interface Counted extends ReachRequest {
  readonly calls: ReadonlyMap<string, Calls>;
}

/** Whether a workload calls a changed function; `uncounted` when the calls of neither the function nor a caller can be counted. */
function reachOfFunction(
  { name, file, kind }: PatchChanges['functions'][number],
  { counted, called }: Calls,
  { watched }: Counted,
): Reach | 'uncounted' {
  const found = watched.find((one) => one.name === name && one.file === file);
  if (kind !== 'function' || found === undefined) return 'uncounted';
  const names = [name, ...found.callers].filter((one) => counted.has(one));
  const [nearest] = names;
  if (nearest === undefined) return 'uncounted';
  if (called.has(nearest)) return 'yes';
  // The compiler may inline a function in one caller and keep a copy for the others.
  return names.some((one) => called.has(one)) ? 'unknown' : 'no';
}

function reachOfPatch(change: PatchChanges | undefined, workload: string, request: Counted): Reach {
  if (change === undefined) return 'unknown';
  if (change.kind !== 'code') return 'no';
  const calls = request.calls.get(workload);
  if (calls === undefined || change.atBoot === true) return 'unknown';
  const uncounted = new Set(change.outside);
  let isOpen = false;
  for (const changed of change.functions) {
    const reach = reachOfFunction(changed, calls, request);
    if (reach === 'yes') return 'yes';
    if (reach === 'unknown') isOpen = true;
    if (reach === 'uncounted') uncounted.add(changed.file);
  }
  if (isOpen || change.functions.length + uncounted.size === 0) return 'unknown';
  return [...uncounted].every((file) => isLeftAlone(file, workload, request)) ? 'no' : 'unknown';
}

/**
 * Calls of stand-ins decide nothing unless at least 3 workloads were tried, and a workload calls at least 3 stand-ins of the file.
 */
const leastStandIns = 3;
const leastWorkloads = 3;
/**
 * A workload counts as running a file if it calls at least this share of the largest number of stand-ins that any workload calls.
 */
const leastShare = 1 / 3;

/**
 * True when a workload calls hardly any stand-in of a file (a function that the file calls), while another workload calls several.
 * A stand-in that more than half of the workloads call, such as kfree(), does not count, because it tells nothing about the file.
 */
function isLeftAlone(file: string, workload: string, { standIns, calls }: Counted): boolean {
  const all = [...calls.values()];
  const telling = (standIns.get(file) ?? []).filter((name) => {
    const counting = all.filter(({ counted }) => counted.has(name));
    return counting.filter(({ called }) => called.has(name)).length * 2 <= counting.length;
  });
  const countOf = ({ called }: Pick<Calls, 'called'>): number =>
    telling.filter((name) => called.has(name)).length;
  const most = Math.max(0, ...all.map(countOf));
  const own = countOf(calls.get(workload) ?? { called: new Set() });
  return most >= leastStandIns && all.length >= leastWorkloads && own < leastShare * most;
}
