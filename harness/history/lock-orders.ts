import type { Dependency } from '../records/lock-order.ts';
import { textOrNull } from './cell-nights.ts';
import type { History, Run } from './database.ts';

/**
 * The unit whose lock orders are compared: a cell (one combination of kernel, guest and workload), on one accelerator, under one
 * setting. The setting is a digest that names splat, QEMU, the guest, the fragments and the program.
 */
export interface LockSubject {
  /** The cell's id. */
  readonly cell: string;
  readonly ranOn: string;
  readonly setting: string;
}

/** A lock dependency that a subject (a cell, on one accelerator, under one setting) has shown. */
export interface StoredOrder extends Dependency {
  /** The night that first showed the dependency, as its row in the table of nights. */
  readonly firstNight: number;
  /**
   * The number of looks that showed the dependency. A look is the first trial of the subject on one boot. Looks are counted only
   * for a dependency that the first look did not show, and only until it is settled whether the dependency is new.
   */
  readonly hits: number;
}

/** The records of the history about the lock orders of a subject: a cell, on one accelerator, under one setting. */
export interface LockPast {
  readonly orders: readonly StoredOrder[];
  /**
   * The number of looks (first trials on a boot) in each night, the oldest night first. `night` is the night's row in the table of
   * nights. Only the newest 365 nights with a look are here.
   */
  readonly nights: readonly { readonly night: number; readonly looks: number }[];
  /** The first night with a look (a first trial on a boot), as its row in the table of nights. Undefined: no night had a look. */
  readonly firstNight: number | undefined;
}

/** The largest number of nights that are read: counts of more than a year ago say nothing about a rate today. */
const mostNights = 365;

/**
 * Reads the records of the history about the lock orders of a subject (a cell, on one accelerator, under one setting). The lists
 * are empty when no night has read the subject's lock orders.
 */
export function readLockPast(history: History, subject: LockSubject): LockPast {
  const id = subjectId(history, subject);
  if (id === undefined) return { orders: [], nights: [], firstNight: undefined };
  const first = history.one('SELECT min(night) AS night FROM lock_looks WHERE setting = ?', id);
  return {
    firstNight: first?.['night'] == null ? undefined : Number(first['night']),
    nights: history
      .all(
        'SELECT night, looks FROM lock_looks WHERE setting = ? ORDER BY night DESC LIMIT ?',
        id,
        mostNights,
      )
      .toReversed()
      .map((row) => ({ night: Number(row['night']), looks: Number(row['looks']) })),
    orders: history
      .all(
        `SELECT e.outer_class, e.inner_class, o.first_night, o.hits FROM lock_orders o JOIN lock_edges e ON e.id = o.edge
         WHERE o.setting = ?`,
        id,
      )
      .map((row) => ({
        from: String(row['outer_class']),
        to: String(row['inner_class']),
        firstNight: Number(row['first_night']),
        hits: Number(row['hits']),
      })),
  };
}

/** The SQL that selects the row of a subject. Its parameters are the result of subjectKey(). */
const selectSubject =
  'SELECT id FROM lock_settings WHERE cell = (SELECT id FROM cells WHERE cell = ?) AND ran_on = ? AND setting = ?';

function subjectKey({ cell, ranOn, setting }: LockSubject): readonly [string, string, string] {
  return [cell, ranOn, setting];
}

function subjectId(history: History, subject: LockSubject): number | undefined {
  const row = history.one(selectSubject, ...subjectKey(subject));
  return row === undefined ? undefined : Number(row['id']);
}

/**
 * True when an earlier night has read the lock orders of the subject on this kernel image. A further night on the same image may
 * use the same saved boots, and would learn nothing new.
 */
export function wasLookedAt(history: History, subject: LockSubject, image: string): boolean {
  const id = subjectId(history, subject);
  if (id === undefined) return false;
  const sql = 'SELECT 1 FROM lock_looks WHERE setting = ? AND image = ?';
  return history.one(sql, id, shortImage(image)) !== undefined;
}

/** The first digits of an image's digest, enough to tell the images of a cell apart. */
function shortImage(image: string): string {
  return image.slice(0, 12);
}

/**
 * The lock dependencies that nights have already reported as new. `described` is the cell for which the dependency was reported,
 * as JSON.
 */
export function toldOrders(
  history: History,
): readonly (Dependency & { readonly described: string })[] {
  return history
    .all(
      `SELECT c.described, e.outer_class, e.inner_class FROM lock_orders o JOIN lock_edges e ON e.id = o.edge
         JOIN lock_settings s ON s.id = o.setting JOIN cells c ON c.id = s.cell WHERE o.told_night IS NOT NULL`,
    )
    .map((row) => ({
      described: String(row['described']),
      from: String(row['outer_class']),
      to: String(row['inner_class']),
    }));
}

/**
 * Returns the name of a night, and the kernel on which the cell ran in that night. `night` is the night's row in the table of
 * nights. The name is empty when there is no such row. The other fields are null when that night has no result of the cell.
 */
export function kernelAt(
  history: History,
  cell: string,
  night: number,
): {
  readonly night: string;
  readonly sha: string | null;
  readonly source: string | null;
  readonly kernelId: string | null;
} {
  const row = history.one(
    `SELECT n.name, r.sha, r.source, r.kernel FROM nights n
       LEFT JOIN results r ON r.night = n.id AND r.cell = (SELECT id FROM cells WHERE cell = ?)
     WHERE n.id = ?`,
    cell,
    night,
  );
  return {
    night: textOrNull(row?.['name']) ?? '',
    sha: textOrNull(row?.['sha']),
    source: textOrNull(row?.['source']),
    kernelId: textOrNull(row?.['kernel']),
  };
}

/** The additions of a night to the lock orders of a subject (a cell, on one accelerator, under one setting). */
export interface LockUpdate {
  readonly subject: LockSubject;
  /** The digest of the kernel image that ran. No earlier night has read lock orders on this image. */
  readonly image: string;
  readonly looks: number;
  /**
   * The dependencies that are new to the subject, and those that are still being counted. `hits` is the number of this night's
   * looks (first trials on a boot) that showed the dependency.
   */
  readonly seen: readonly (Dependency & { readonly hits: number })[];
  readonly told: readonly Dependency[];
}

/**
 * Stores the lock orders that a night has learned. Call it in the transaction that closes the night, after the cells are stored.
 */
export function keepLockOrders(run: Run, night: number, updates: readonly LockUpdate[]): void {
  for (const { subject, image, looks, seen, told } of updates) {
    const key = subjectKey(subject);
    run(
      'INSERT INTO lock_settings (cell, ran_on, setting) VALUES ((SELECT id FROM cells WHERE cell = ?), ?, ?) ON CONFLICT DO NOTHING',
      ...key,
    );
    const id = `(${selectSubject})`;
    run(
      `INSERT OR REPLACE INTO lock_looks (setting, night, image, looks) VALUES (${id}, ?, ?, ?)`,
      ...key,
      night,
      shortImage(image),
      looks,
    );
    const edge = '(SELECT id FROM lock_edges WHERE outer_class = ? AND inner_class = ?)';
    for (const { from, to, hits } of seen) {
      run(
        'INSERT INTO lock_edges (outer_class, inner_class) VALUES (?, ?) ON CONFLICT DO NOTHING',
        from,
        to,
      );
      run(
        `INSERT INTO lock_orders (setting, edge, first_night, hits, last_night, last_hits) VALUES (${id}, ${edge}, ?, ?, ?, ?)
         ON CONFLICT (setting, edge) DO UPDATE SET
           hits = hits + excluded.hits, last_night = excluded.last_night, last_hits = excluded.last_hits`,
        ...key,
        from,
        to,
        night,
        hits,
        night,
        hits,
      );
    }
    for (const { from, to } of told) {
      run(
        `UPDATE lock_orders SET told_night = ? WHERE setting = ${id} AND edge = ${edge}`,
        night,
        ...key,
        from,
        to,
      );
    }
  }
}

/** Removes the lock orders that a night has learned. No later night may have stored lock orders. */
export function undoLockOrders(run: Run, night: number): void {
  run('DELETE FROM lock_looks WHERE night = ?', night);
  run('DELETE FROM lock_orders WHERE first_night = ?', night);
  run('UPDATE lock_orders SET hits = hits - last_hits, last_hits = 0 WHERE last_night = ?', night);
  run('UPDATE lock_orders SET told_night = NULL WHERE told_night = ?', night);
}
