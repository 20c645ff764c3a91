import { createHash } from 'node:crypto';
import type { NightItem, NightRecord } from '../records/night.ts';
import { type Notice, type NoticeKind, noticeKinds } from '../records/notice.ts';
import { cellName } from './cells.ts';

/**
 * What a notice is about: a splat on one kernel, or a reason why cells of one kernel have no result. As long as the matter goes on,
 * only one notice is sent about it.
 */
export interface Matter {
  readonly kind: NoticeKind;
  /** The kernel, as the matrix names it. Empty: the night does not have the cell. */
  readonly kernel: string;
  /**
   * For a splat: its signature or title, and the day on which the entry about it in the file of known issues expired. For anything
   * else: the reason, with N in place of numbers.
   */
  readonly subject: string;
  /** The signature of the splat, or its title when it has no signature. Null: the notice is not about a splat. */
  readonly signature: string | null;
}

/** A notice, and for each kernel the matter (a splat, or a reason why cells have no result) that the notice is about. */
export interface MadeNotice {
  readonly notice: Notice;
  readonly matters: readonly Matter[];
}

/** How many cells a notice names at most. */
const mostCells = 50;

/**
 * Returns the notices of a night in the order of `noticeKinds`: one notice for each splat or reason on a list of the night, however
 * many cells have it. `dir` is the night's folder.
 */
export function noticesOf(night: NightRecord, dir: string): readonly MadeNotice[] {
  const cells = new Map(night.cells.map((cell) => [cell.id, cell]));
  return noticeKinds.flatMap((kind) => {
    const groups = new Map<string, NightItem[]>();
    for (const item of night[kind]) {
      const subject = subjectOf(item);
      groups.set(subject, [...(groups.get(subject) ?? []), item]);
    }
    return [...groups].map(([subject, items]) => {
      const kernels = new Set(items.map(({ cell }) => cells.get(cell)?.kernel ?? ''));
      const named = items.slice(0, mostCells).map(({ cell }) => {
        const found = cells.get(cell);
        return { id: cell, name: found === undefined ? cell : cellName(found) };
      });
      return {
        matters: [...kernels].map((kernel) => ({
          kind,
          kernel,
          subject,
          signature: keyOf(items[0]),
        })),
        notice: {
          schema: 'splat-notice/1' as const,
          id: digest([night.night, kind, subject]),
          kind,
          night: night.night,
          dir,
          matrix: night.matrix.file,
          text: textOf(kind, items, named[0]?.name ?? ''),
          ...splatOf(items[0]),
          cells: named,
          cellCount: items.length,
          items: items.slice(0, mostCells),
        },
      };
    });
  });
}

/** Returns a notice of the kind `summary`, which stands for several notices. */
export function summaryOf(notices: readonly Notice[]): Notice {
  const first = notices[0];
  const told = notices.flatMap(({ id, kind, text }) =>
    kind === 'summary' ? [] : [{ id, kind, text }],
  );
  const counts = noticeKinds.flatMap((kind) => {
    const count = told.filter((one) => one.kind === kind).length;
    return count === 0 ? [] : [`${count} ${kind}`];
  });
  return {
    schema: 'splat-notice/1',
    id: digest(told.map(({ id }) => id)),
    kind: 'summary',
    night: first?.night ?? '',
    dir: first?.dir ?? '',
    matrix: first?.matrix ?? '',
    text: `${told.length} more: ${counts.join(', ')}`,
    notices: told,
  };
}

function keyOf(item: NightItem | undefined): string | null {
  return item?.signature || item?.title || null;
}

function subjectOf(item: NightItem): string {
  const { expires, because = '' } = item;
  const splat = keyOf(item);
  if (splat !== null) return expires === undefined ? splat : `${splat} until ${expires}`;
  return because.replaceAll(/\d+/g, 'N');
}

function splatOf(item: NightItem | undefined): { signature?: string; title?: string } {
  const { signature, title } = item ?? {};
  return {
    ...(signature === undefined ? {} : { signature }),
    ...(title === undefined ? {} : { title }),
  };
}

function textOf(kind: NoticeKind, items: readonly NightItem[], cell: string): string {
  const { title, because } = items[0] ?? {};
  const more = items.length === 1 ? '' : ` and ${items.length - 1} more cells`;
  return `${kind}: ${title ?? because ?? ''} (${cell}${more})`.replaceAll(/\s+/g, ' ');
}

function digest(words: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, 16);
}
