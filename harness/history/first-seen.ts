import type { History } from './database.ts';

/** When a splat was first and last seen by any night, and in which cell first. */
export interface SeenBefore {
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** `linux@master munmap`. */
  readonly cell: string;
}

/** What the nights know of a splat, by its signature; undefined when none saw it. */
export function seenBefore(history: History, signature: string): SeenBefore | undefined {
  const row = history.one(
    `SELECT f.name AS first_seen, c.name AS cell,
       (SELECT max(l.name) FROM issues o JOIN nights l ON l.id = o.last_night WHERE o.signature = i.signature) AS last_seen
     FROM issues i JOIN signatures s ON s.id = i.signature JOIN nights f ON f.id = i.first_night JOIN cells c ON c.id = i.cell
     WHERE s.key = ? ORDER BY i.first_night LIMIT 1`,
    signature,
  );
  if (row === undefined) return undefined;
  return {
    firstSeen: String(row['first_seen']),
    lastSeen: String(row['last_seen']),
    cell: String(row['cell']),
  };
}
