import { listFunctions, tokenize } from '../../patch/c-source.ts';
import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { ReportedFunction } from '../../records/series.ts';
import { hasPatch } from './branch.ts';
import type { SeriesLog } from './facts.ts';

/**
 * A function that a series changes, and whose calls are counted. `callers` are at most 16 functions of its file that call the
 * function, directly or through other functions. An inlined function counts through its callers.
 */
export interface WatchedFunction {
  readonly name: string;
  readonly file: string;
  readonly callers: readonly string[];
  /** The numbers of the patches that change the function, from 1. */
  readonly patches: readonly number[];
}

/**
 * The changed functions of a series whose calls may be counted. Left out are macros, and functions that do not exist after the
 * last patch.
 */
export function watchFunctions(changes: readonly PatchChanges[]): readonly WatchedFunction[] {
  const last = new Map<string, string>();
  for (const { files } of changes) {
    for (const { path, after } of files) last.set(path, after ?? '');
  }
  const read = new Map<string, CallMap>();
  const watched = new Map<string, WatchedFunction>();
  for (const [at, { functions }] of changes.entries()) {
    for (const { name, file, kind } of functions) {
      const text = last.get(file);
      if (kind !== 'function' || text === undefined || !/^\w+$/.test(name)) continue;
      const calls = read.get(file) ?? readCalls(text);
      read.set(file, calls);
      if (!calls.names.has(name)) continue;
      // Two files may each have a static function of one name.
      const key = `${file} ${name}`;
      const patches = [...(watched.get(key)?.patches ?? []), at + 1];
      watched.set(key, { name, file, callers: callersOf(name, calls), patches });
    }
  }
  return [...watched.values()];
}

/**
 * For each changed .c file, by its path: at most 80 functions of other files that the file calls after the last patch. These
 * stand in for functions of the file that cannot be traced: a workload that calls no stand-in hardly runs the file. A stand-in
 * that more than half of the workloads call does not count.
 */
export function standInsOf(
  changes: readonly PatchChanges[],
): ReadonlyMap<string, readonly string[]> {
  const standIns = new Map<string, readonly string[]>();
  for (const { path, after } of changes.flatMap(({ files }) => files)) {
    if (!path.endsWith('.c') || after === undefined) continue;
    const { names, callers } = readCalls(after);
    const others = [...callers.keys()].filter((name) => !names.has(name) && isName.test(name));
    standIns.set(path, others.slice(0, mostStandIns));
  }
  return standIns;
}

/**
 * Matches a word that is taken for the name of a called function: four characters or more, the first a small letter, and no
 * keyword. Macros in capitals and names like __free_pages do not match. Macros in small letters do.
 */
const isName = /^(?!(?:if|for|while|switch|return|sizeof|typeof|defined)$)[a-z]\w{3,}$/;
const mostStandIns = 80;

/** Which functions of a C file call which functions. */
interface CallMap {
  /** Names of the functions and macros that the file defines. */
  readonly names: ReadonlySet<string>;
  /** For the name of each called function: the functions of the file that call it, in the order of the file. */
  readonly callers: ReadonlyMap<string, ReadonlySet<string>>;
}

function readCalls(text: string): CallMap {
  const defined = listFunctions(text);
  const functions = defined.filter(({ kind }) => kind === 'function');
  const tokens = tokenize(text);
  const callers = new Map<string, Set<string>>();
  let next = 0;
  for (const [at, { text: word, line }] of tokens.entries()) {
    while ((functions[next]?.end ?? Infinity) < line) next += 1;
    const inside = functions[next];
    if (tokens[at + 1]?.text !== '(' || inside === undefined || line < inside.start) continue;
    callers.set(word, (callers.get(word) ?? new Set()).add(inside.name));
  }
  return { names: new Set(defined.map(({ name }) => name)), callers };
}

/** The largest number of callers that are counted for one function. */
const mostCallers = 16;

/** Returns at most 16 functions of a file that call `name`, directly or through other functions. The nearest callers come first. */
function callersOf(name: string, { callers }: CallMap): readonly string[] {
  const found = new Set([name]);
  // The loop also visits the callers that it adds.
  for (const next of found) {
    for (const caller of callers.get(next) ?? []) found.add(caller);
    if (found.size > mostCallers) break;
  }
  return [...found].slice(1, mostCallers + 1);
}

/**
 * Tells for each changed function whether it ran. Only trials count whose kernel has a patch that changes the function. When the
 * function's calls cannot be counted, the calls of its nearest caller count instead. The function is `untraceable` when no caller
 * can be counted either, and when only a more distant caller was called: the compiler may have inlined the function there.
 */
export function coverageOf(
  { facts }: SeriesLog,
  watched: readonly WatchedFunction[],
): readonly ReportedFunction[] {
  return watched.map(({ name, file, callers, patches }) => {
    const own = facts.filter(
      (fact) =>
        (fact.kind === 'step' || fact.kind === 'trial') &&
        patches.some((patch) => hasPatch(fact, patch)),
    );
    const countable = new Set(
      own.flatMap((fact) => (fact.kind === 'step' ? (fact.profiled ?? []) : [])),
    );
    const [nearest, ...others] = [name, ...callers].filter((one) => countable.has(one));
    if (nearest === undefined) return { name, file, state: 'untraceable', calls: {} };
    const calls = callsOf(own, nearest);
    const isCalled = Object.keys(calls).length > 0;
    const further = others.find((one) => Object.keys(callsOf(own, one)).length > 0);
    if (!isCalled && further !== undefined) {
      return { name, file, state: 'untraceable', calls: callsOf(own, further), through: further };
    }
    const state = isCalled ? 'ran' : 'not-run';
    return { name, file, state, calls, ...(nearest === name ? {} : { through: nearest }) };
  });
}

/** How often each workload called a function in these trials; empty when no workload called it. */
function callsOf(facts: SeriesLog['facts'], name: string): Readonly<Record<string, number>> {
  const calls: Record<string, number> = {};
  for (const fact of facts) {
    const count = fact.kind === 'trial' ? (fact.calls?.[name] ?? 0) : 0;
    if (fact.kind !== 'trial' || count === 0) continue;
    const { workload } = fact.trial;
    calls[workload] = (calls[workload] ?? 0) + count;
  }
  return calls;
}

/**
 * True when no changed function ran, and the calls of at least one changed function could be counted, directly or through a caller.
 */
export function isUnexercised(coverage: readonly ReportedFunction[]): boolean {
  const known = coverage.filter(({ state }) => state !== 'untraceable');
  return known.length > 0 && known.every(({ state }) => state === 'not-run');
}
