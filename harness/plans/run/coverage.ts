import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { makeFolder, writeWhole } from '../../host/disk.ts';
import { readRecord, readRecordAt } from '../../host/record-file.ts';
import {
  type Coverage,
  type CoverageFacts,
  type CoveredFile,
  coverageFactsSchema,
  coverageSchema,
} from '../../records/coverage.ts';
import type { KernelFacts } from '../../records/run-result.ts';
import type { TrialResult } from '../../records/trial.ts';
import { plainName, shownName, type WatchedFunction } from '../../stress/watched-files.ts';
import type { Armed, TrialCoverage } from '../../trial/coverage.ts';
import { writtenBy } from '../../trial/harness-facts.ts';

/** What the trials of a coverage run have seen, by trial. */
export interface CoverageRecord {
  readonly add: (trial: string, seen: TrialCoverage, armed: Armed) => void;
  readonly seen: ReadonlyMap<string, TrialCoverage>;
  /** All functions that were watched. Every boot of one kernel watches the same functions. */
  readonly functions: () => readonly WatchedFunction[];
}

export function openCoverageRecord(): CoverageRecord {
  const seen = new Map<string, TrialCoverage>();
  let functions: readonly WatchedFunction[] = [];
  return {
    seen,
    functions: () => functions,
    // When a trial was tried in two guests, the second guest's record counts.
    add: (trial, one, armed) => {
      seen.set(trial, one);
      functions = armed.functions;
    },
  };
}

const eventPrefix = 'driver.event_';

/** Puts together what all trials of a kernel have seen: functions, ioctls and events. */
export function gatherCoverage(
  { seen, functions }: Pick<CoverageRecord, 'seen' | 'functions'>,
  kernel: Pick<KernelFacts, 'id' | 'release' | 'source'>,
  trials: readonly Pick<TrialResult, 'counters'>[],
): Coverage {
  const { id, release, source } = kernel;
  const events: Record<string, number> = {};
  for (const [name, count] of trials.flatMap(({ counters }) => Object.entries(counters))) {
    if (!name.startsWith(eventPrefix)) continue;
    const event = name.slice(eventPrefix.length);
    events[event] = (events[event] ?? 0) + count;
  }
  const byShown = trialsBy(seen, ({ calls }) => Object.keys(calls));
  return {
    schema: 'splat-coverage/1',
    harness: writtenBy(),
    measuredAt: new Date().toISOString(),
    kernel: { id, release, source },
    files: gatherFiles(functions(), byShown),
    callers: [...trialsBy(seen, ({ callers }) => callers)]
      .map(([name, ids]) => ({ name, trials: ids }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ioctls: [...trialsBy(seen, ({ ioctls }) => ioctls)]
      .map(([request, ids]) => ({ request, trials: ids }))
      .toSorted((a, b) => a.request - b.request),
    events,
  };
}

function trialsBy<T>(
  seen: ReadonlyMap<string, TrialCoverage>,
  namesOf: (one: TrialCoverage) => readonly T[],
): ReadonlyMap<T, string[]> {
  const found = new Map<T, string[]>();
  for (const [trial, one] of [...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    for (const name of namesOf(one)) found.set(name, [...(found.get(name) ?? []), trial]);
  }
  return found;
}

/**
 * The coverage of each source file: which functions ran, never ran, or are unclear. The function profiler cuts long names,
 * so several functions may share a cut name. When the profiler counted calls under a shared name, all functions with this
 * name are unclear.
 */
function gatherFiles(
  functions: readonly WatchedFunction[],
  byShown: ReadonlyMap<string, readonly string[]>,
): readonly CoveredFile[] {
  const sharing = new Map<string, Set<string>>();
  for (const { name } of functions) {
    const shown = shownName(name);
    sharing.set(shown, (sharing.get(shown) ?? new Set()).add(name));
  }
  const files = new Map<string, Map<string, readonly string[] | 'unclear'>>();
  for (const { name, file } of functions) {
    const own = files.get(file) ?? new Map<string, readonly string[] | 'unclear'>();
    files.set(file, own);
    const ids = byShown.get(shownName(name)) ?? [];
    const isShared = (sharing.get(shownName(name))?.size ?? 1) > 1;
    const before = own.get(plainName(name));
    if (before === undefined || before === 'unclear' || before.length === 0) {
      own.set(plainName(name), ids.length > 0 && isShared ? 'unclear' : ids);
    }
  }
  return [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, own]) => {
      const rows = [...own].toSorted(([a], [b]) => (a < b ? -1 : 1));
      return {
        file,
        ran: rows.flatMap(([name, ids]) =>
          ids === 'unclear' || ids.length === 0 ? [] : [{ name, trials: [...ids] }],
        ),
        never: rows.flatMap(([name, ids]) => (ids.length === 0 ? [name] : [])),
        unclear: rows.flatMap(([name, ids]) => (ids === 'unclear' ? [name] : [])),
      };
    });
}

export const coverageFile = 'coverage.json';

/**
 * Reads the file coverage.json in the folder of a run. Returns undefined when the run has no such file. Throws `usage` for a file
 * that is no coverage record.
 */
export async function readCoverageOf(dir: string): Promise<Coverage | undefined> {
  return readRecordAt(join(dir, coverageFile), coverageSchema);
}

/**
 * The path of a file in the cache that notes the last coverage of a kernel with this version of splat. Anybody may delete the file.
 */
function noteFile(cacheRoot: string, kernelId: string): string {
  const name = createHash('sha256').update(`${kernelId} ${writtenBy().version}`).digest('hex');
  return join(cacheRoot, 'coverage', `${name.slice(0, 32)}.json`);
}

/** The run that measures coverage. */
export interface CoverageRun {
  readonly dir: string;
  readonly cacheRoot: string;
  /** True when all default workloads run, so that the coverage stands for later runs of the kernel. */
  readonly hasDefaultSet?: boolean;
}

/**
 * Writes coverage.json into the run directory. The coverage of all default workloads is noted in the cache as the last coverage of
 * this kernel.
 */
async function keepCoverage(
  coverage: Coverage,
  { dir, cacheRoot, hasDefaultSet }: CoverageRun,
): Promise<CoverageFacts> {
  await writeWhole(join(dir, coverageFile), `${JSON.stringify(coverage, null, 1)}\n`);
  const facts = { measuredAt: coverage.measuredAt, ...countFunctions(coverage), run: dir };
  if (hasDefaultSet !== true) return facts;
  await makeFolder(join(cacheRoot, 'coverage'));
  await writeWhole(noteFile(cacheRoot, coverage.kernel.id), `${JSON.stringify(facts)}\n`);
  return facts;
}

/** The last coverage of a kernel with this version of splat; null when there is none, or when its note cannot be read. */
async function recallCoverage(kernelId: string, cacheRoot: string): Promise<CoverageFacts | null> {
  const facts = await readRecord(noteFile(cacheRoot, kernelId), coverageFactsSchema).catch(
    () => null,
  );
  return facts ?? null;
}

/** How many functions of all files ran, and how many were watched. An unclear function counts as watched, but not as run. */
export function countFunctions({ files }: Pick<Coverage, 'files'>): {
  readonly ran: number;
  readonly watched: number;
} {
  const sum = (count: (file: CoveredFile) => number): number =>
    files.reduce((total, file) => total + count(file), 0);
  return {
    ran: sum(({ ran }) => ran.length),
    watched: sum(({ ran, never, unclear }) => ran.length + never.length + unclear.length),
  };
}

/**
 * The coverage that this run measured. A run that measured no coverage gets the last coverage of its kernel, or null when
 * there is none.
 */
export async function coverageOf(
  covered: CoverageRecord,
  kernel: Pick<KernelFacts, 'id' | 'release' | 'source'>,
  trials: readonly Pick<TrialResult, 'counters'>[],
  request: CoverageRun,
): Promise<CoverageFacts | null> {
  if (covered.seen.size === 0) return recallCoverage(kernel.id, request.cacheRoot);
  return keepCoverage(gatherCoverage(covered, kernel, trials), request);
}
