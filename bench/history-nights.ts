import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeNight } from '../harness/history/close-night.ts';
import {
  backupHistory,
  type History,
  openHistory,
  type Run,
  requireIntact,
} from '../harness/history/database.ts';
import { keepLockOrders, type LockUpdate } from '../harness/history/lock-orders.ts';
import { beginNight, nightsBefore, type StoredNight } from '../harness/history/nights.ts';
import { formerKeys } from '../harness/history/rename.ts';
import { insertTrial } from '../harness/history/results.ts';
import { lastMatched, readStoredCell } from '../harness/history/stored-cell.ts';
import type { CellInput } from '../harness/night/cell-items.ts';
import { cellId, type NamedCell } from '../harness/night/cells.ts';
import { judgeNight } from '../harness/night/judge-night.ts';
import { type TrialFacts, timeToShow } from '../harness/night/judge-trial.ts';
import { storedTrial } from '../harness/plans/night/facts.ts';
import { finishNight } from '../harness/plans/night/finish-night.ts';
import { storedCell } from '../harness/plans/night/run-machine.ts';
import { writtenBy } from '../harness/trial/harness-facts.ts';
import { openLockRecord, writeLockOrder } from '../harness/trial/lock-record.ts';
import { aCell } from '../test/made-records.ts';

/**
 * Fills a history with nights of 200 trials, as splat stores them, and judges one more night as `splat nightly` does:
 * `npm run bench:history -- NIGHTS`. Every tenth cell shows a splat in every third of its trials. Each night has another kernel,
 * and each cell 130 dependencies between locks, three of which seldom show.
 */

const cellCount = 100;
const perCell = 2;
const witnesses = { notifier_calls: 12_345, nonblock_calls: 678, oom_reaps: 9 };
const kernelOf = (night: number) => ({
  sha: 'b'.repeat(40),
  source: 'linux@master',
  release: '7.3.4',
  kernelId: 'k'.repeat(32),
  image: imageOf(night),
  ranOn: 'tcg',
  fragments: Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [`fragment-${at}.config`, 'f'.repeat(64)]),
  ),
});

function imageOf(night: number): string {
  return night.toString(16).padStart(12, '0').padEnd(64, '0');
}

const setting = 'e'.repeat(16);
const dependencies = Array.from({ length: 130 }, (_, at) => ({
  from: 'fs_reclaim',
  to: `&driver_${at}->lock`,
}));

/** What a trial of a night knows: three of its cell's show in every seventh trial, from another night on each. */
function knows(at: number, night: number, trial: number) {
  return dependencies.filter(
    (_, one) => one > 2 || (night > 3 && (at + one + night * perCell + trial) % 7 === 0),
  );
}

function lockUpdate(at: number, cell: string, night: number): LockUpdate {
  const hits = Array.from({ length: perCell }, (_, trial) => knows(at, night, trial)).flat();
  const counted = night === 0 ? dependencies : dependencies.slice(0, 3);
  return {
    subject: { cell, ranOn: 'tcg', setting },
    image: imageOf(night),
    looks: perCell,
    seen: counted.flatMap((one) => {
      const count = hits.filter(({ to }) => to === one.to).length;
      return count === 0 ? [] : [{ ...one, hits: count }];
    }),
    told: [],
  };
}

/** locks.json of a night's run, as the run writes it. */
async function writeLocks(dir: string, night: number): Promise<void> {
  const record = openLockRecord();
  for (const [at] of cells.entries()) {
    for (const [trial, { id }] of trialsOf(at, night).entries()) {
      const inner = new Set(knows(at, night, trial).map(({ to }) => to));
      const order = new Map([['fs_reclaim', inner]]);
      record.add({ trial: id, boot: trial, setting }, { order, hidden: [] });
    }
  }
  mkdirSync(join(dir, 'runs', '1'), { recursive: true });
  await writeLockOrder(join(dir, 'runs', '1'), record.order(), record.seen());
}

const cells: readonly NamedCell[] = Array.from({ length: cellCount }, (_, at) => {
  const cell = aCell({ workload: `workload-${at}` });
  return { id: cellId(cell), ...cell };
});

function splatOf(at: number): TrialFacts['splats'][number] {
  const title = `WARNING in function_${at}`;
  return { key: `warning-in-function-${at}-0123456789ab`, title, known: false };
}

function shows(at: number, night: number, trial: number): boolean {
  return at % 10 === 0 && (night * perCell + trial) % 3 === 0;
}

function trialsOf(at: number, night: number): readonly TrialFacts[] {
  return Array.from({ length: perCell }, (_, trial) => {
    const splats = shows(at, night, trial) ? [splatOf(at)] : [];
    const titles = splats.map(({ title }) => title);
    return {
      id: trial === 0 ? `workload-${at}` : `workload-${at}.${trial + 1}`,
      run: 'runs/1',
      seed: 123_456_789,
      verdict: titles.length > 0 ? { kind: 'splat', titles } : { kind: 'clean' },
      end: { kind: 'exit', code: 0 },
      deadBefore: [],
      deadAfter: [],
      incomplete: [],
      witnesses,
      absentWitnesses: [],
      splats,
      totalMs: 12_345.678,
      firstSplatMs: titles.length > 0 ? 2_345.678 : null,
    };
  });
}

function nameOf(night: number): string {
  return `${new Date(Date.UTC(2000, 0, 1 + night)).toISOString().slice(0, 19)}Z`;
}

async function beginWithTrials(
  history: History,
  night: number,
  dir = `/nights/${night}`,
): Promise<StoredNight> {
  const stored = await beginNight(history, {
    name: nameOf(night),
    matrixFile: 'matrix.yaml',
    matrixDigest: 'd'.repeat(64),
    dir,
    plan: JSON.stringify({ cells: cells.map(({ id }) => id) }),
    startedMs: Date.UTC(2000, 0, 1 + night),
    harness: writtenBy(),
  });
  await history.write((run) => {
    for (const [at, cell] of cells.entries()) {
      for (const facts of trialsOf(at, night)) {
        insertTrial(run, stored.id, storedCell(cell), storedTrial(facts, 'plan'));
      }
    }
  });
  return stored;
}

/** Stores a night. It is not judged first, since that would give the same rows. */
async function keepNight(history: History, night: number): Promise<void> {
  const stored = await beginWithTrials(history, night);
  const { kernelId, fragments, ...rest } = kernelOf(night);
  const end = {
    endedMs: stored.startedMs + 3_600_000,
    verdict: '{"kind":"clean"}',
    exitCode: 0,
    results: cells.map((cell, at) => ({
      cell: storedCell(cell),
      class: at % 10 === 0 ? 'known' : 'clean',
      verdict: 'clean',
      because: '',
      ...rest,
      kernel: kernelId,
      fragments: JSON.stringify(fragments),
      trials: perCell,
      tried: true,
      totalMs: 24_691,
      firstSplatMs: null,
      witnesses,
    })),
    issues: cells.flatMap((cell, at) => {
      if (at % 10 !== 0) return [];
      const { key, title } = splatOf(at);
      const trials = trialsOf(at, night);
      const hits = trials.filter(({ splats }) => splats.length > 0).length;
      const firstMs = timeToShow(
        trials.map((facts) => ({ facts })),
        key,
      );
      const seen = { firstSeen: nameOf(0), lastSeen: nameOf(night), since: nameOf(0) };
      const counts = { hits, trials: perCell, firstMs };
      return [
        { cell: cell.id, ranOn: 'tcg', key, title, state: 'open' as const, ...seen, ...counts },
      ];
    }),
    known: [],
  };
  await closeNight(history, stored, end, (run) =>
    keepLockOrders(
      run,
      stored.id,
      cells.map(({ id }, at) => lockUpdate(at, id, night)),
    ),
  );
}

async function judgeOne(history: History, night: number): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-night-'));
  try {
    await writeLocks(dir, night);
    return await judgeIn(history, night, dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function judgeIn(history: History, night: number, dir: string): Promise<number> {
  const stored = await beginWithTrials(history, night, dir);
  const startedAt = performance.now();
  const inputs: readonly CellInput[] = cells.map((cell, at) => ({
    cell,
    kernel: kernelOf(night),
    planned: perCell,
    trials: trialsOf(at, night),
    cutShort: false,
    missedControls: [],
    bootSplats: [],
    isForward: true,
  }));
  const pasts = new Map(cells.map(({ id }) => [id, readStoredCell(history, id, 'tcg')]));
  const judged = judgeNight({
    night: stored.name,
    nowMs: stored.startedMs,
    known: [],
    workloadsNamed: true,
    formerKeys: formerKeys(history),
    cells: inputs,
    pastOf: (id) => pasts.get(id) ?? { issues: [] },
    lastMatched: (issue) => lastMatched(history, JSON.stringify(issue)),
    nightsBefore: nightsBefore(history, 14, stored.id).map(({ name }) => name),
  });
  await finishNight(history, stored, judged, {
    nowMs: stored.startedMs,
    known: [],
    matrixCells: cells,
    notes: [],
  });
  return performance.now() - startedAt;
}

/** How many nights are stored one by one; the following ones are copies of their rows. */
const written = 30;

/** Adds the nights from `written` on, many in one transaction. */
async function copyNights(history: History, nights: number): Promise<void> {
  for (let first = written; first < nights; first += 200) {
    await history.write((run) => {
      for (let night = first; night < Math.min(nights, first + 200); night += 1) {
        copyNight(run, (night % written) + 1, night + 1);
      }
    });
  }
  await history.write((run) => run('UPDATE issues SET last_night = ?', nights));
}

function copyNight(run: Run, from: number, to: number): void {
  run(
    `INSERT INTO nights SELECT ?, ?, state, matrix_file, matrix_digest, dir, plan, ?, ended_ms, harness, signatures, verdict, exit_code
     FROM nights WHERE id = ?`,
    to,
    nameOf(to - 1),
    Date.UTC(2000, 0, to),
    from,
  );
  run(
    'INSERT INTO lock_looks (setting, night, image, looks) SELECT setting, ?, ?, looks FROM lock_looks WHERE night = ?',
    to,
    imageOf(to).slice(0, 12),
    from,
  );
  for (const [table, columns] of Object.entries(copied)) {
    run(
      `INSERT INTO ${table} (night, ${columns}) SELECT ?, ${columns} FROM ${table} WHERE night = ?`,
      to,
      from,
    );
  }
}

const copied = {
  trials: 'cell, purpose, trial, run, seed, verdict, because, total_ms, first_splat_ms, facts',
  results:
    'cell, class, verdict, because, sha, source, release, kernel, image, fragments, ran_on, trials, total_ms, first_splat_ms',
  sightings: 'cell, ran_on, signature, hits, trials, first_ms',
  witnesses: 'cell, ran_on, name, per_trial',
};

/**
 * What a history of so many nights costs. The times depend on this host and its load; `youngMs` is the time with a history of 30
 * nights.
 */
export async function measureHistory(nights: number): Promise<{
  readonly judgeMs: number;
  readonly youngMs: number;
  readonly bytesPerNight: number;
  readonly keepMs: number;
}> {
  const dir = mkdtempSync(join(tmpdir(), 'splat-history-'));
  try {
    const path = join(dir, 'h.db');
    const { signal } = new AbortController();
    await using history = await openHistory(path, { signal, create: true });
    const startedAt = performance.now();
    for (let night = 0; night < written; night += 1) await keepNight(history, night);
    const keepMs = (performance.now() - startedAt) / written;
    const young = join(dir, 'young.db');
    await backupHistory(history, young);
    await copyNights(history, nights);
    const bytesPerNight = statSync(path).size / nights;
    await using other = await openHistory(young, { signal, create: false });
    const youngMs = await judgeOne(other, written);
    const judgeMs = await judgeOne(history, nights);
    requireIntact(history);
    return { judgeMs, youngMs, bytesPerNight, keepMs };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const nights = Number(process.argv[2] ?? 10_000);
  const { judgeMs, youngMs, bytesPerNight, keepMs } = await measureHistory(nights);
  console.log(
    `${nights} nights of ${cellCount * perCell} trials: ${Math.round(bytesPerNight)} bytes a night, ${keepMs.toFixed(1)} ms to keep one, ${judgeMs.toFixed(0)} ms to judge one more; ${youngMs.toFixed(0)} ms where there are ${written}`,
  );
}
