import type { History } from './database.ts';

/**
 * The first and the last night that saw a splat, and the first cell (one combination of kernel, guest and workload) that showed
 * it.
 */
export interface SeenBefore {
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** The cell's name, such as `linux@master munmap`. */
  readonly cell: string;
}

/** Returns the nights and the cell that showed a splat, by its signature; undefined when no night saw the splat. */
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
