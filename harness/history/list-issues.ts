import type { ListedIssue } from '../records/history-list.ts';
import type { History } from './database.ts';

/**
 * Lists the issues (splats of cells) that nights have seen. The issues whose first night is the newest come first. Only issues
 * count whose last night began at `sinceMs` (milliseconds since 1970) or later. With `sought`, only issues are listed whose
 * signature is `sought` or whose title contains it.
 */
export function listIssues(
  history: History,
  { sought, sinceMs }: { readonly sought: string | undefined; readonly sinceMs: number },
): readonly ListedIssue[] {
  return history
    .all(
      `SELECT s.key, s.title, c.cell, c.name, i.ran_on, i.state, f.name AS first_seen, l.name AS last_seen,
         (SELECT sum(g.hits) FROM sightings g WHERE g.cell = i.cell AND g.ran_on = i.ran_on AND g.signature = i.signature) AS hits,
         (SELECT sum(g.trials) FROM sightings g WHERE g.cell = i.cell AND g.ran_on = i.ran_on AND g.signature = i.signature) AS trials
       FROM issues i JOIN signatures s ON s.id = i.signature JOIN cells c ON c.id = i.cell
         JOIN nights f ON f.id = i.first_night JOIN nights l ON l.id = i.last_night
       WHERE l.started_ms >= ?1 AND (?2 IS NULL OR s.key = ?2 OR instr(s.title, ?2) > 0)
       ORDER BY i.first_night DESC, s.title, c.name`,
      sinceMs,
      sought ?? null,
    )
    .map((row) => ({
      signature: row['key'] === row['title'] ? '' : String(row['key']),
      title: String(row['title']),
      cell: String(row['cell']),
      name: String(row['name']),
      ranOn: String(row['ran_on']),
      state: String(row['state']),
      firstSeen: String(row['first_seen']),
      lastSeen: String(row['last_seen']),
      hits: Number(row['hits']),
      trials: Number(row['trials']),
    }));
}
