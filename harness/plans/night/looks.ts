import { join } from 'node:path';
import { HarnessError, isHarnessError } from '../../errors.ts';
import { type History, storedJson } from '../../history/database.ts';
import type { StoredNight } from '../../history/nights.ts';
import type { StoredTrial } from '../../history/results.ts';
import { readRecord } from '../../host/record-file.ts';
import { dependencyKey, type LockOrder } from '../../locks/dependencies.ts';
import type { TrialFacts } from '../../night/judge-trial.ts';
import { type Dependency, type LockLook, lockOrderSchema } from '../../records/lock-order.ts';
import { recordedOrder } from '../../trial/lock-record.ts';

/** What a cell's first trials on its boots knew about lock order. Each of these trials is a look. */
export interface CellLooks {
  readonly cell: string;
  readonly setting: string;
  readonly looks: number;
  /** For each lock dependency: how many looks knew it (`hits`), and the run of one of these looks. */
  readonly seen: readonly (Dependency & { readonly hits: number; readonly run: string })[];
}

/** What the trials of a night knew about lock order. Of each cell, the first trial on each boot counts. */
export interface NightLooks {
  readonly cells: readonly CellLooks[];
  /** The whole lock order that the guests of a run learned; empty when the run has no readable record of a lock order. */
  readonly orderOf: (run: string) => LockOrder;
  /**
   * A line for each record of lock order that cannot be read or is too large. A record that no run can have written gets no line.
   */
  readonly notes: readonly string[];
}

type Trial = StoredTrial & { readonly cell: string };

/**
 * Reads what the trials of a night learned about lock order, from the file locks.json of each run. Leaves out further trials that
 * were run because of a new splat, because such trials are no random sample. Also leaves out trials that did not run to their end,
 * or whose lockdep was off, because such trials could not learn everything.
 */
export async function readLooks(
  history: Pick<History, 'path'>,
  { dir }: Pick<StoredNight, 'dir'>,
  trials: readonly Trial[],
): Promise<NightLooks> {
  const notes: string[] = [];
  const whole = trials.filter(
    ({ purpose, facts }) => purpose === 'plan' && isWhole(storedJson(history, facts) as TrialFacts),
  );
  const records = new Map<string, ReadLocks>();
  for (const run of new Set(whole.map((one) => one.run))) {
    try {
      const read = await readLocks(join(dir, run));
      if (read !== undefined) records.set(run, read);
    } catch (error) {
      if (!isHarnessError(error, 'usage')) throw error;
      notes.push(`${run}: ${error.message}: its lock order is not counted`);
    }
  }
  return {
    cells: groupLooks(whole, records),
    orderOf: (run) => records.get(run)?.order() ?? new Map<string, never>(),
    notes,
  };
}

function isWhole({ end, deadBefore, deadAfter }: TrialFacts): boolean {
  const isEnded = end?.kind === 'exit' && end.code === 0;
  return isEnded && deadBefore.length + deadAfter.length === 0;
}

interface ReadLocks {
  readonly looks: ReadonlyMap<string, LockLook>;
  readonly dependencies: readonly Dependency[];
  readonly order: () => LockOrder;
}

/**
 * The largest locks.json that is read, in bytes. The file of a run with hundreds of trials is smaller. A larger file is refused,
 * because it may come from any machine.
 */
const largestBytes = 16 * 1024 * 1024;
const mostDependencies = 20_000;
const longestName = 256;

async function readLocks(runDir: string): Promise<ReadLocks | undefined> {
  const record = await readRecord(join(runDir, 'locks.json'), lockOrderSchema, largestBytes);
  const { dependencies = [], looks } = record?.seen ?? {};
  if (dependencies.length > mostDependencies) {
    const count = `locks.json has ${dependencies.length} dependencies`;
    throw new HarnessError('usage', `${count}, and splat reads at most ${mostDependencies}`);
  }
  if (record === undefined || looks === undefined || !isPlausible(dependencies, looks)) {
    return undefined;
  }
  return {
    looks: new Map(looks.map((look) => [look.trial, look])),
    dependencies,
    order: () => recordedOrder(record),
  };
}

function isPlausible(dependencies: readonly Dependency[], looks: readonly LockLook[]): boolean {
  return (
    dependencies.every(({ from, to }) => Math.max(from.length, to.length) <= longestName) &&
    looks.every(({ setting }) => /^[0-9a-f]{16}$/.test(setting))
  );
}

interface Group {
  readonly cell: string;
  readonly setting: string;
  readonly boots: Set<number>;
  looks: number;
  readonly seen: Map<string, Dependency & { hits: number; run: string }>;
}

function groupLooks(
  trials: readonly Trial[],
  records: ReadonlyMap<string, ReadLocks>,
): readonly CellLooks[] {
  const groups = new Map<string, Group>();
  for (const { cell, run, trial } of trials) {
    const read = records.get(run);
    const look = read?.looks.get(trial);
    if (read === undefined || look === undefined) continue;
    const { setting, boot } = look;
    const key = `${cell} ${setting}`;
    const group = groups.get(key) ?? {
      cell,
      setting,
      boots: new Set(),
      looks: 0,
      seen: new Map(),
    };
    groups.set(key, group);
    // A boot counts once: when a night is continued, its later trials copy the boots that it saved before.
    if (boot !== null && group.boots.has(boot)) continue;
    if (boot !== null) group.boots.add(boot);
    group.looks += 1;
    countKnown(group, read, { lacks: new Set(look.lacks), run });
  }
  return [...groups.values()].map(({ seen, boots: _boots, ...group }) => ({
    ...group,
    seen: [...seen.values()],
  }));
}

function countKnown(
  { seen }: Group,
  { dependencies }: ReadLocks,
  { lacks, run }: { readonly lacks: ReadonlySet<number>; readonly run: string },
): void {
  for (const [at, { from, to }] of dependencies.entries()) {
    if (lacks.has(at)) continue;
    const key = dependencyKey({ from, to });
    const one = seen.get(key) ?? { from, to, hits: 0, run };
    one.hits += 1;
    seen.set(key, one);
  }
}
