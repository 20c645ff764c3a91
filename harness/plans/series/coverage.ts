import { listFunctions, tokenize } from '../../kernel/c-source.ts';
import type { PatchChanges } from '../../kernel/patch-changes.ts';
import type { ReportedFunction } from '../../report/series-report.ts';
import type { SeriesLog } from './facts.ts';

/** A function the series changes, and the functions of its file that call it: an inlined one counts through them. */
export interface WatchedFunction {
  readonly name: string;
  readonly file: string;
  readonly callers: readonly string[];
}

/** What is worth counting of a series: functions, not macros, that are there when all of it is applied. */
export function watchFunctions(changes: readonly PatchChanges[]): readonly WatchedFunction[] {
  const last = new Map<string, string>();
  for (const { files } of changes) {
    for (const { path, after } of files) last.set(path, after ?? '');
  }
  const watched = new Map<string, WatchedFunction>();
  for (const { name, file, kind } of changes.flatMap(({ functions }) => functions)) {
    const text = last.get(file);
    if (kind !== 'function' || text === undefined || !/^\w+$/.test(name)) continue;
    if (!listFunctions(text).some((one) => one.name === name)) continue;
    watched.set(name, { name, file, callers: callersOf(name, text) });
  }
  return [...watched.values()];
}

/** Functions of the file whose bodies call `name`, and those that call these. */
function callersOf(name: string, text: string): readonly string[] {
  const tokens = tokenize(text);
  const functions = listFunctions(text).filter(({ kind }) => kind === 'function');
  const found = new Set<string>();
  const queue = [name];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const { name: caller, start, end } of functions) {
      if (found.has(caller) || caller === name) continue;
      const calls = tokens.some(
        ({ text: word, line }, at) =>
          word === next && line >= start && line <= end && tokens[at + 1]?.text === '(',
      );
      if (!calls) continue;
      found.add(caller);
      queue.push(caller);
    }
  }
  return [...found].slice(0, 16);
}

/** What ran of a series, in all its trials. */
export function coverageOf(
  { facts }: SeriesLog,
  watched: readonly WatchedFunction[],
): readonly ReportedFunction[] {
  const countable = new Set(
    facts.flatMap((fact) => (fact.kind === 'step' ? (fact.profiled ?? []) : [])),
  );
  const callsOf = (name: string): Readonly<Record<string, number>> => {
    const calls: Record<string, number> = {};
    for (const fact of facts) {
      const count = fact.kind === 'trial' ? (fact.calls?.[name] ?? 0) : 0;
      if (fact.kind !== 'trial' || count === 0) continue;
      const { workload } = fact.trial;
      calls[workload] = (calls[workload] ?? 0) + count;
    }
    return calls;
  };
  return watched.map(({ name, file, callers }) => {
    const through = countable.has(name) ? name : callers.find((caller) => countable.has(caller));
    if (through === undefined) return { name, file, state: 'untraceable', calls: {} };
    const calls = callsOf(through);
    const state = Object.keys(calls).length > 0 ? 'ran' : 'not-run';
    return { name, file, state, calls, ...(through === name ? {} : { through }) };
  });
}

/** True for a series of whose functions some can be counted, and none ran. */
export function isUnexercised(coverage: readonly ReportedFunction[]): boolean {
  const known = coverage.filter(({ state }) => state !== 'untraceable');
  return known.length > 0 && known.every(({ state }) => state === 'not-run');
}
