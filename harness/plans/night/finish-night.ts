import { closeNight, type StoredIssue, type StoredResult } from '../../history/close-night.ts';
import type { History, Run } from '../../history/database.ts';
import { keepLockOrders } from '../../history/lock-orders.ts';
import { lastWholeNight, nightsBefore, type StoredNight } from '../../history/nights.ts';
import { insertTrial, type StoredCell, type StoredTrial } from '../../history/results.ts';
import type { NamedCell } from '../../night/cells.ts';
import type { JudgedCell } from '../../night/judge-cell.ts';
import type { JudgedNight } from '../../night/judge-night.ts';
import { timeToShow } from '../../night/judge-trial.ts';
import { median } from '../../night/statistics.ts';
import type { KnownIssue } from '../../records/known-issues.ts';
import type { NightCell, NightItem, NightRecord } from '../../records/night.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { type IsAncestor, judgeLockOrders } from './lock-news.ts';
import { storedCell } from './run-machine.ts';
import { trendsOf } from './trends.ts';

/** A night that enters the history only when it ends, such as an imported run. */
interface Unwritten {
  /** Inserts the night. Called first in the transaction that closes the night. */
  readonly begin: (run: Run) => void;
  readonly trials: readonly { readonly cell: StoredCell; readonly trial: StoredTrial }[];
}

/** What the caller knows about a night that ends. */
interface NightTold {
  readonly nowMs: number;
  readonly known: readonly KnownIssue[];
  /** All cells of the matrix. A cell is one combination of kernel, configuration, guest and workload. */
  readonly matrixCells: readonly NamedCell[];
  readonly notes: readonly string[];
  /**
   * Tells whether a commit is an ancestor of another commit. Absent when no kernel comes from a git tree of this host; then no
   * commit counts as an ancestor of another.
   */
  readonly isAncestor?: IsAncestor;
  /** Called inside the transaction that closes the night in the history, to write further rows. */
  readonly also?: (run: Run, record: NightRecord) => void;
  /** Absent: the night and its trials are in the history already. */
  readonly unwritten?: Unwritten;
}

/** Makes the record of a judged night, and writes the night's results to the history. */
export async function finishNight(
  history: History,
  night: StoredNight,
  judged: JudgedNight,
  told: NightTold,
): Promise<NightRecord> {
  const [before] = nightsBefore(history, 1, night.id);
  const trends = judged.cells.flatMap((cell) => trendsOf(history, cell));
  const { isAncestor = async () => false, unwritten } = told;
  const trials = unwritten?.trials.map(({ cell, trial }) => ({ cell: cell.id, ...trial }));
  const locks = await judgeLockOrders(history, night, judged.cells, { isAncestor, trials });
  const record: NightRecord = {
    schema: 'splat-night/1',
    harness: writtenBy(),
    night: night.name,
    endedAt: new Date(told.nowMs).toISOString(),
    matrix: { file: night.matrixFile, digest: night.matrixDigest },
    verdict: judged.verdict,
    exitCode: judged.exitCode,
    before: before?.name ?? null,
    cells: judged.cells.map(nightCell),
    ...judged.lists,
    dropped: droppedCells(history, night, told.matrixCells),
    trends,
    locks: locks.news,
    notes: [
      ...told.notes,
      ...rulesNotes(before),
      ...movedNotes(judged.cells),
      ...judged.notes,
      ...locks.notes,
    ],
  };
  const end = {
    endedMs: told.nowMs,
    verdict: JSON.stringify(judged.verdict),
    exitCode: judged.exitCode,
    results: judged.cells.map((cell) => storedResult(cell)),
    issues: judged.cells.flatMap(storedIssues),
    known: told.known.map((issue) => ({
      entry: JSON.stringify(issue),
      matched: judged.matched.includes(issue),
    })),
  };
  const also = (run: Run): void => {
    keepLockOrders(run, night.id, locks.updates);
    told.also?.(run, record);
  };
  await closeNight(history, night, end, also, (run) => {
    unwritten?.begin(run);
    for (const { cell, trial } of unwritten?.trials ?? []) insertTrial(run, night.id, cell, trial);
  });
  return record;
}

function nightCell({ input, trials, verdict, class: kind, because }: JudgedCell): NightCell {
  const { cell, planned } = input;
  const { fragments: _fragments, ...kernel } = input.kernel;
  const splats = new Map<string, NightCell['splats'][number]>();
  for (const trial of trials) {
    for (const splat of [...trial.fresh, ...trial.known]) {
      const { key, title } = splat;
      splats.set(key, {
        signature: key === title ? '' : key,
        title,
        hits: (splats.get(key)?.hits ?? 0) + 1,
        known: trial.known.includes(splat),
      });
    }
  }
  const { id, ...described } = cell;
  return {
    id,
    ...cellFields(described),
    ...kernel,
    verdict,
    class: kind,
    ...(because === undefined ? {} : { because }),
    planned,
    trials: trials.map((trial) => ({
      id: trial.facts.id,
      run: trial.facts.run,
      seed: trial.facts.seed,
      verdict: trial.verdict,
      totalMs: trial.facts.totalMs,
    })),
    splats: [...splats.values()],
    witnesses: sumWitnesses(trials),
    durationMs: trials.reduce((sum, { facts }) => sum + facts.totalMs, 0),
    firstSplatMs: firstSplat(trials),
  };
}

/** The fields that describe a cell, without its id and without the fields that a plan adds. */
function cellFields(cell: Omit<NamedCell, 'id'>): Omit<NamedCell, 'id'> {
  const { kernel, series, config, configBase, arch, accel, guest, gpu, memoryMib, cpus, workload } =
    cell;
  const base = configBase === undefined ? {} : { configBase };
  return { kernel, series, config, ...base, arch, accel, guest, gpu, memoryMib, cpus, workload };
}

function sumWitnesses(trials: JudgedCell['trials']): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { facts } of trials) {
    for (const [name, count] of Object.entries(facts.witnesses)) {
      sums[name] = (sums[name] ?? 0) + count;
    }
  }
  return sums;
}

function firstSplat(trials: JudgedCell['trials']): number | null {
  return median(trials.flatMap(({ facts }) => facts.firstSplatMs ?? []));
}

function storedIssues({ input, trials, updates }: JudgedCell): readonly StoredIssue[] {
  return updates.map((update) => ({
    ...update,
    ranOn: input.kernel.ranOn ?? '',
    firstMs: timeToShow(trials, update.key),
  }));
}

function storedResult(cell: JudgedCell): StoredResult {
  const { input, trials, verdict, because = '' } = cell;
  const { kernelId, fragments, ...kernel } = input.kernel;
  const sums = sumWitnesses(trials);
  return {
    cell: storedCell(input.cell),
    class: cell.class,
    verdict: verdict.kind,
    because: 'because' in verdict ? verdict.because : because,
    ...kernel,
    kernel: kernelId,
    fragments: fragments === undefined ? null : JSON.stringify(fragments),
    trials: trials.length,
    tried: cell.class !== 'notRun' || trials.length > 0 || input.begun === true,
    totalMs: Math.round(trials.reduce((sum, { facts }) => sum + facts.totalMs, 0)),
    firstSplatMs: firstSplat(trials),
    witnesses: Object.fromEntries(
      Object.entries(sums).map(([name, count]) => [name, count / trials.length]),
    ),
  };
}

/**
 * The cells that the last whole night of this matrix had and the matrix no longer has. Only a night of the whole matrix reports
 * them, so each is reported once.
 */
function droppedCells(
  history: History,
  night: StoredNight,
  matrixCells: readonly NamedCell[],
): readonly NightItem[] {
  const before = night.onlyCell === null ? lastWholeNight(history, night) : undefined;
  if (before === undefined) return [];
  const there = new Set(matrixCells.map(({ id }) => id));
  return history
    .all(
      'SELECT c.cell, c.name FROM results r JOIN cells c ON c.id = r.cell WHERE r.night = ?',
      before.id,
    )
    .filter((row) => !there.has(String(row['cell'])))
    .map((row) => ({
      cell: String(row['cell']),
      because: `the matrix has no ${String(row['name'])} any more`,
      lastSeen: before.name,
    }));
}

/**
 * Returns a note when the rules for signatures changed since the night before, because an old splat may then count as new. Returns
 * an empty list when the rules are equal, and when there is no night before.
 */
function rulesNotes(before: StoredNight | undefined): readonly string[] {
  const { signatures } = writtenBy();
  if (before === undefined || before.harness.signatures === signatures) return [];
  const both = `rules ${before.harness.signatures}, and this night by rules ${signatures}`;
  return [
    `night ${before.name} named splats by ${both}: splat triage --rescan RUNS --history FILE renames the old splats`,
  ];
}

/** Notes about branches that were moved to unrelated commits: no range of commits leads from the old commit to the new one. */
function movedNotes(cells: readonly JudgedCell[]): readonly string[] {
  const moved = cells.flatMap(({ input, items }) =>
    items.flatMap(({ item: { range } }) =>
      range !== undefined && range.from !== null && range.to !== null && !range.isKnown
        ? [
            `the branch of ${input.cell.kernel} was moved: ${range.from.slice(0, 12)} is no ancestor of ${range.to.slice(0, 12)}`,
          ]
        : [],
    ),
  );
  return [...new Set(moved)];
}
