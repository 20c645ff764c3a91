import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { Reach, ReachOf } from './classes.ts';
import type { WatchedFunction } from './coverage.ts';
import type { SeriesLog } from './facts.ts';

export interface ReachRequest {
  readonly log: SeriesLog;
  /** The changes of each patch, by index from 0; undefined for a patch that does not apply. */
  readonly changes: readonly (PatchChanges | undefined)[];
  /** The functions of the whole series whose calls can be counted. */
  readonly watched: readonly WatchedFunction[];
  /** By path of a file: functions of other files that the file calls. */
  readonly standIns: ReadonlyMap<string, readonly string[]>;
  /** Workloads for which the answer is always `unknown`, because a patch may make their seeded bugs visible. */
  readonly apart: ReadonlySet<string>;
}

/**
 * Returns a function that tells whether a workload can show an effect of patches. It reads the call counters of all kernels of
 * the series so far. `yes`: a trial of the workload called a function that a patch changes. When the calls of a changed function
 * cannot be counted, those of its nearest caller count. `no`: the patches change no code, or the calls of all changed functions
 * were counted and the workload made none. For a change in a .c file whose calls cannot be counted at all (a macro, a structure,
 * a function that ftrace cannot trace), the calls of the file's stand-ins decide between `no` and `unknown`. `unknown`: the
 * counters do not tell, as for a header, an option, or code that runs at boot.
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
 * Two sets of functions, by the names of their counters: those whose calls were counted in trials of one workload (`counted`),
 * and those of them that the workload called.
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
    if (fact.kind !== 'trial' || fact.trial.state === 'not-run') continue;
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

function reachOfPatch(change: PatchChanges | undefined, workload: string, request: Counted): Reach {
  if (change === undefined) return 'unknown';
  if (change.kind !== 'code') return 'no';
  const calls = request.calls.get(workload);
  if (calls === undefined || change.atBoot === true) return 'unknown';
  const uncounted = new Set(change.outside);
  for (const { name, file, kind } of change.functions) {
    const found = request.watched.find((one) => one.name === name && one.file === file);
    const through = [name, ...(found?.callers ?? [])].find((one) => calls.counted.has(one));
    if (kind !== 'function' || found === undefined || through === undefined) uncounted.add(file);
    else if (calls.called.has(through)) return 'yes';
  }
  if (change.functions.length + uncounted.size === 0) return 'unknown';
  return [...uncounted].every((file) => isLeftAlone(file, workload, request)) ? 'no' : 'unknown';
}

/** Nothing is concluded unless one workload calls at least this many stand-ins, and this many workloads were tried. */
const leastStandIns = 3;
const leastWorkloads = 3;
/** A workload runs a file if it calls at least this share of the stand-ins that the workload with the most of them calls. */
const leastShare = 1 / 3;

/**
 * True when the workload calls hardly any stand-in of the file while another workload calls several. Stand-ins that more than
 * half of the workloads call, such as kfree(), do not count: they tell nothing about the file.
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
