import type { History, Run } from './database.ts';

/**
 * A notice that waits to be sent, as JSON, and the matters that it is about. A matter is a splat on one kernel, or a reason for
 * which cells of one kernel have no result.
 */
export interface QueuedNotice {
  readonly id: string;
  readonly notice: string;
  readonly matters: readonly {
    readonly kind: string;
    readonly kernel: string;
    readonly subject: string;
    /** The splat's signature; null for a matter that is not a splat. */
    readonly signature: string | null;
  }[];
}

/**
 * Queues the notices of a night that ends. A notice is left out when each of its matters (a splat, or a reason why cells have no
 * result, on one kernel) has been queued or sent before. Also forgets matters that were sent and are over, so that they can be sent
 * again. A splat is over when no cell of its kernel has it open. Any other matter is over when a night ran its kernel and does not
 * list the matter. Call this in the transaction that closes the night, after the results and issues are stored.
 */
export function queueNotices(run: Run, night: number, notices: readonly QueuedNotice[]): void {
  for (const { id, notice, matters } of notices) {
    for (const { kind, kernel, subject, signature } of matters) {
      run(
        `INSERT INTO notices (kind, kernel, subject, signature, night, id, notice, state) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting')
         ON CONFLICT (kind, kernel, subject) DO UPDATE SET night = excluded.night`,
        kind,
        kernel,
        subject,
        signature,
        night,
        id,
        notice,
      );
    }
  }
  run(
    `DELETE FROM notices WHERE state = 'told' AND signature IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM issues i JOIN signatures s ON s.id = i.signature JOIN cells c ON c.id = i.cell
       WHERE i.state = 'open' AND s.key = notices.signature AND json_extract(c.described, '$.kernel') = notices.kernel)`,
  );
  run(
    `DELETE FROM notices WHERE state = 'told' AND signature IS NULL AND night < ?1 AND kernel IN (
       SELECT json_extract(c.described, '$.kernel') FROM results r JOIN cells c ON c.id = r.cell
       WHERE r.night = ?1 AND r.class <> 'notRun')`,
    night,
  );
}

/** The notices that have not been sent, each as JSON; those of the oldest night come first. */
export function waitingNotices(history: History): readonly string[] {
  return history
    .all("SELECT notice FROM notices WHERE state = 'waiting' GROUP BY id ORDER BY min(night), id")
    .map((row) => String(row['notice']));
}

/** Marks the notices with these ids as sent. */
export async function keepTold(history: History, ids: readonly string[]): Promise<void> {
  await history.write((run) => {
    for (const id of ids) run("UPDATE notices SET state = 'told' WHERE id = ?", id);
  });
}
