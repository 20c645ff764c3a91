import type { History, Run } from './database.ts';

/** A cell (one combination of kernel, guest and workload), as the history stores it. */
export interface StoredCell {
  readonly id: string;
  readonly name: string;
  /** The whole cell, as JSON. */
  readonly described: string;
}

/** A trial as it is stored when it ends. */
export interface StoredTrial {
  /**
   * The reason for the trial. `plan`: the night's plan has the trial. `blind`: the trial repeats a blind trial, with another seed.
   * The other three words stand for trials that test a new splat again: `fork` in a copy of a saved guest, `boot` in a guest that
   * boots afresh, `good` on the last good kernel.
   */
  readonly purpose: 'plan' | 'blind' | 'fork' | 'boot' | 'good';
  readonly trial: string;
  readonly run: string;
  readonly seed: number;
  readonly verdict: string;
  readonly because: string;
  readonly totalMs: number;
  readonly firstSplatMs: number | null;
  /**
   * Everything that the trial is judged by, as JSON. Only the code that made this JSON reads it. The history itself reads only
   * `end.kind`, which tells whether a workload ran.
   */
  readonly facts: string;
}

/** Stores a trial. A second result of the same trial replaces the first. */
export async function keepTrial(
  history: History,
  night: number,
  cell: StoredCell,
  trial: StoredTrial,
): Promise<void> {
  await history.write((run) => insertTrial(run, night, cell, trial));
}

/** Stores a trial of a night; call it inside a transaction. A second result of the same trial replaces the first. */
export function insertTrial(run: Run, night: number, cell: StoredCell, trial: StoredTrial): void {
  keepCell(run, cell);
  run(
    `INSERT OR REPLACE INTO trials
       (night, cell, purpose, trial, run, seed, verdict, because, total_ms, first_splat_ms, facts)
     VALUES (?, (SELECT id FROM cells WHERE cell = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    night,
    cell.id,
    trial.purpose,
    trial.trial,
    trial.run,
    trial.seed,
    trial.verdict,
    trial.because,
    trial.totalMs,
    trial.firstSplatMs,
    trial.facts,
  );
}

/** Stores a cell. When the history has the cell already, its name and description stay as they are. */
export function keepCell(run: Run, { id, name, described }: StoredCell): void {
  run(
    'INSERT INTO cells (cell, name, described) VALUES (?, ?, ?) ON CONFLICT (cell) DO NOTHING',
    id,
    name,
    described,
  );
}

/** The trials of a night, in the order of their cells. */
export function trialsOf(
  history: History,
  night: number,
): readonly (StoredTrial & { readonly cell: string })[] {
  return history
    .all(
      `SELECT c.cell AS cell_id, t.purpose, t.trial, t.run, t.seed, t.verdict, t.because, t.total_ms, t.first_splat_ms, t.facts
       FROM trials t JOIN cells c ON c.id = t.cell WHERE t.night = ?
       ORDER BY t.cell, t.purpose, t.trial`,
      night,
    )
    .map((row) => ({
      cell: String(row['cell_id']),
      purpose: row['purpose'] as StoredTrial['purpose'],
      trial: String(row['trial']),
      run: String(row['run']),
      seed: Number(row['seed']),
      verdict: String(row['verdict']),
      because: String(row['because']),
      totalMs: Number(row['total_ms']),
      firstSplatMs: row['first_splat_ms'] === null ? null : Number(row['first_splat_ms']),
      facts: String(row['facts']),
    }));
}

/** Stores the facts about a machine of a night, as JSON. A machine is a kernel together with its guests of one kind. */
export async function keepMachine(
  history: History,
  night: number,
  machine: string,
  facts: string,
): Promise<void> {
  await history.write((run) => insertMachine(run, night, machine, facts));
}

/** Stores the facts about a machine (a kernel together with its guests of one kind) of a night; call it inside a transaction. */
export function insertMachine(run: Run, night: number, machine: string, facts: string): void {
  run(
    'INSERT OR REPLACE INTO machines (night, machine, facts) VALUES (?, ?, ?)',
    night,
    machine,
    facts,
  );
}

/**
 * The facts about the machines of a night, as JSON, by the machine's name. A machine is a kernel together with its guests of one
 * kind.
 */
export function machinesOf(history: History, night: number): ReadonlyMap<string, string> {
  return new Map(
    history
      .all('SELECT machine, facts FROM machines WHERE night = ?', night)
      .map((row) => [String(row['machine']), String(row['facts'])]),
  );
}
