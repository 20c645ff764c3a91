import type { History, Row, Run } from './database.ts';

/** A splat that has another signature than before, because the rules for signatures changed. */
export interface Rename {
  readonly before: { readonly key: string; readonly title: string };
  readonly now: { readonly key: string; readonly title: string };
}

/**
 * The rows of the history about one splat in one cell: its row in the table of issues, and its rows of counts, one for each night.
 */
interface Kept {
  readonly issue: Row;
  readonly sightings: readonly Row[];
}

/**
 * Gives splats their new signatures, in one transaction, and keeps everything that the history has about them. When several splats
 * become one, their hits in a night are added up, but not beyond the largest of their numbers of trials. When one splat becomes
 * several, each new splat gets everything. One of the new splats may keep the signature: then `renames` has the same key on both
 * sides. A rename that was done before does nothing. Resolves to the numbers of signatures and of issues that were changed.
 */
export async function renameSplats(
  history: History,
  renames: readonly Rename[],
  scheme: { readonly number: number; readonly nightDirs: readonly string[] },
): Promise<{ readonly signatures: number; readonly issues: number }> {
  const byOld = new Map<string, Map<string, string>>();
  for (const { before, now } of renames) {
    const targets = byOld.get(before.key) ?? new Map<string, string>();
    byOld.set(before.key, targets.set(now.key, now.title));
  }
  return history.write((run) => {
    const taken = [...byOld].flatMap(([key, targets]) => {
      const row = history.one('SELECT id, title FROM signatures WHERE key = ?', key);
      const left = row === undefined ? targets : withoutDone(history, key, targets);
      if (row === undefined || (left.size === 1 && left.get(key) === row['title'])) return [];
      return [{ key, targets: left, kept: keptOf(history, Number(row['id'])) }];
    });
    // All rows are read first, and only then written: the old name of one splat may be the new name of another.
    for (const { key } of taken) remove(run, key);
    for (const { key, targets, kept } of taken) {
      for (const [newKey, title] of targets) {
        run(
          'INSERT INTO signatures (key, title) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET title = excluded.title',
          newKey,
          title,
        );
        for (const one of kept) put(run, newKey, one);
        if (newKey !== key) remember(run, key, newKey);
      }
    }
    for (const dir of scheme.nightDirs) {
      run('UPDATE nights SET signatures = ? WHERE dir = ?', scheme.number, dir);
    }
    return {
      signatures: taken.length,
      issues: taken.reduce((sum, { kept }) => sum + kept.length, 0),
    };
  });
}

/**
 * The new names of a splat, without those that an earlier call gave to it. Only a splat that keeps its old name, too, is found by
 * this name again.
 */
function withoutDone(
  history: History,
  key: string,
  targets: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  if (!targets.has(key)) return targets;
  const isDone = (now: string): boolean =>
    history.one('SELECT 1 FROM renamed WHERE old_key = ? AND new_key = ?', key, now) !== undefined;
  return new Map([...targets].filter(([now]) => !isDone(now)));
}

function keptOf(history: History, signature: number): readonly Kept[] {
  return history.all('SELECT * FROM issues WHERE signature = ?', signature).map((issue) => ({
    issue,
    sightings: history.all(
      'SELECT * FROM sightings WHERE signature = ? AND cell = ? AND ran_on = ?',
      signature,
      issue['cell'] ?? null,
      issue['ran_on'] ?? null,
    ),
  }));
}

function remove(run: Run, key: string): void {
  for (const table of ['issues', 'sightings']) {
    run(`DELETE FROM ${table} WHERE signature = (SELECT id FROM signatures WHERE key = ?)`, key);
  }
  run('DELETE FROM signatures WHERE key = ?', key);
}

/** Adds the issue and the counts that one splat has in a cell to those of the splat with the signature `key`. */
function put(run: Run, key: string, { issue, sightings }: Kept): void {
  const [cell = null, ranOn = null] = [issue['cell'], issue['ran_on']];
  run(
    `INSERT INTO issues (cell, ran_on, signature, state, first_night, last_night, since_night)
     VALUES (?, ?, (SELECT id FROM signatures WHERE key = ?), ?, ?, ?, ?)
     ON CONFLICT (cell, ran_on, signature) DO UPDATE SET
       state = CASE WHEN 'open' IN (state, excluded.state) THEN 'open' ELSE 'gone' END,
       first_night = min(first_night, excluded.first_night), last_night = max(last_night, excluded.last_night),
       since_night = min(since_night, excluded.since_night)`,
    cell,
    ranOn,
    key,
    issue['state'] ?? null,
    issue['first_night'] ?? null,
    issue['last_night'] ?? null,
    issue['since_night'] ?? null,
  );
  for (const sighting of sightings) {
    const { night = null, hits = null, trials = null, first_ms: firstMs = null } = sighting;
    run(
      `INSERT INTO sightings (cell, ran_on, signature, night, hits, trials, first_ms)
       VALUES (?, ?, (SELECT id FROM signatures WHERE key = ?), ?, ?, ?, ?)
       ON CONFLICT (cell, ran_on, signature, night) DO UPDATE SET
         trials = max(trials, excluded.trials), hits = min(hits + excluded.hits, max(trials, excluded.trials)),
         first_ms = coalesce(min(first_ms, excluded.first_ms), first_ms, excluded.first_ms)`,
      cell,
      ranOn,
      key,
      night,
      hits,
      trials,
      firstMs,
    );
  }
}

/**
 * Stores that the signature `now` was `before` under earlier rules. The signature `now` also gets the older signatures of `before`.
 */
function remember(run: Run, before: string, now: string): void {
  run(
    'INSERT OR IGNORE INTO renamed (old_key, new_key) SELECT old_key, ? FROM renamed WHERE new_key = ? AND old_key <> ?',
    now,
    before,
    now,
  );
  run('INSERT OR IGNORE INTO renamed (old_key, new_key) VALUES (?, ?)', before, now);
}

/** The signatures that each splat had under earlier rules, by its present signature. */
export function formerKeys(history: History): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const row of history.all('SELECT old_key, new_key FROM renamed')) {
    const now = String(row['new_key']);
    found.set(now, [...(found.get(now) ?? []), String(row['old_key'])]);
  }
  return found;
}
