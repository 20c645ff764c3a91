import type { History, Run } from './database.ts';
import type { StoredNight } from './nights.ts';
import { keepCell, type StoredCell } from './results.ts';

/** The result of a cell (one combination of kernel, guest and workload) in a night, as it is stored when the night ends. */
export interface StoredResult {
  readonly cell: StoredCell;
  readonly class: string;
  readonly verdict: string;
  readonly because: string;
  readonly sha: string | null;
  readonly source: string | null;
  readonly release: string | null;
  readonly kernel: string | null;
  readonly image: string | null;
  /**
   * The digests of the files that configured the kernel, as JSON. Results with equal digests share one row of the table of
   * fragments. Null for a kernel that was not built.
   */
  readonly fragments: string | null;
  readonly ranOn: string | null;
  readonly trials: number;
  /** False when the night did not begin to build or boot the kernel for this cell, because its budget was too small. */
  readonly tried: boolean;
  readonly totalMs: number;
  readonly firstSplatMs: number | null;
  /** The average count of each witness in one trial, by the name of the witness. */
  readonly witnesses: Readonly<Record<string, number>>;
}

/** A splat of a cell, as it stands after the night. `firstSeen`, `lastSeen` and `since` are names of nights. */
export interface StoredIssue {
  readonly cell: string;
  readonly ranOn: string;
  readonly key: string;
  readonly title: string;
  readonly state: 'open' | 'gone';
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly since: string;
  /**
   * The number of trials of this night that showed the splat (`hits`), and the number that could have shown the splat (`trials`).
   */
  readonly hits: number;
  readonly trials: number;
  /**
   * The median time, in milliseconds, until the splat shows in a trial. Only those trials of this night count in which this splat
   * was the first splat. Null when there was no such trial.
   */
  readonly firstMs: number | null;
}

export interface NightEnd {
  readonly endedMs: number;
  readonly verdict: string;
  readonly exitCode: number;
  readonly results: readonly StoredResult[];
  readonly issues: readonly StoredIssue[];
  /** The entries of the file of known issues, each as JSON. `matched`: the night had a splat that the entry describes. */
  readonly known: readonly { readonly entry: string; readonly matched: boolean }[];
}

/**
 * Ends a night in one transaction: calls `first`, stores the night's results and issues, and calls `also`. Stores nothing when any
 * of these steps throws.
 */
export async function closeNight(
  history: History,
  { id }: Pick<StoredNight, 'id'>,
  end: NightEnd,
  also: (run: Run) => void = () => undefined,
  first: (run: Run) => void = () => undefined,
): Promise<void> {
  await history.write((run) => {
    first(run);
    for (const result of end.results) insertResult(run, id, result);
    for (const issue of end.issues) insertIssue(run, id, issue);
    for (const { entry, matched } of end.known) {
      run(
        `INSERT INTO known_issues (entry, first_night, last_night) VALUES (?, ?, ?)
         ON CONFLICT (entry) DO UPDATE SET last_night = CASE WHEN ? THEN excluded.last_night ELSE last_night END`,
        entry,
        id,
        id,
        matched ? 1 : 0,
      );
    }
    run(
      "UPDATE nights SET state = 'closed', ended_ms = ?, verdict = ?, exit_code = ? WHERE id = ?",
      end.endedMs,
      end.verdict,
      end.exitCode,
      id,
    );
    also(run);
  });
}

function insertResult(run: Run, night: number, result: StoredResult): void {
  keepCell(run, result.cell);
  const { fragments } = result;
  if (fragments !== null) {
    run('INSERT INTO fragments (digests) VALUES (?) ON CONFLICT DO NOTHING', fragments);
  }
  run(
    `INSERT OR REPLACE INTO results (night, cell, class, verdict, because, sha, source, release, kernel, image, fragments, ran_on,
       trials, tried, total_ms, first_splat_ms)
     VALUES (?, (SELECT id FROM cells WHERE cell = ?), ?, ?, ?, ?, ?, ?, ?, ?, (SELECT id FROM fragments WHERE digests = ?), ?, ?, ?, ?, ?)`,
    night,
    result.cell.id,
    result.class,
    result.verdict,
    result.because,
    result.sha,
    result.source,
    result.release,
    result.kernel,
    result.image,
    result.fragments,
    result.ranOn,
    result.trials,
    result.tried ? 1 : 0,
    result.totalMs,
    result.firstSplatMs,
  );
  if (result.ranOn === null) return;
  for (const [name, count] of Object.entries(result.witnesses)) {
    run(
      `INSERT OR REPLACE INTO witnesses (cell, ran_on, night, name, per_trial)
       VALUES ((SELECT id FROM cells WHERE cell = ?), ?, ?, ?, ?)`,
      result.cell.id,
      result.ranOn,
      night,
      name,
      count,
    );
  }
}

function insertIssue(run: Run, night: number, issue: StoredIssue): void {
  run(
    'INSERT INTO signatures (key, title) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET title = excluded.title',
    issue.key,
    issue.title,
  );
  const where =
    '(SELECT id FROM cells WHERE cell = ?), ?, (SELECT id FROM signatures WHERE key = ?)';
  const key = [issue.cell, issue.ranOn, issue.key];
  const named = '(SELECT id FROM nights WHERE name = ?)';
  run(
    `INSERT OR REPLACE INTO issues (cell, ran_on, signature, state, first_night, last_night, since_night)
     VALUES (${where}, ?, ${named}, ${named}, ${named})`,
    ...key,
    issue.state,
    issue.firstSeen,
    issue.lastSeen,
    issue.since,
  );
  run(
    `INSERT OR REPLACE INTO sightings (cell, ran_on, signature, night, hits, trials, first_ms) VALUES (${where}, ?, ?, ?, ?)`,
    ...key,
    night,
    issue.hits,
    issue.trials,
    issue.firstMs,
  );
}
