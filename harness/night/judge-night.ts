import { exitCodes } from '../errors.ts';
import type { KnownIssue } from '../records/known-issues.ts';
import type { CellClass, NightItem, NightRecord } from '../records/night.ts';
import type { CellInput, CellPast, IssueUpdate, NightContext } from './cell-items.ts';
import { cellName, kernelKey, kernelName, machineKey } from './cells.ts';
import { type BlindTrials, type JudgedCell, judgeCell, knownAtBoot } from './judge-cell.ts';
import { appliesTo, isExpired } from './known-file.ts';

/** Everything from which a night is judged. */
export interface NightInput extends Omit<NightContext, 'tests'> {
  readonly cells: readonly CellInput[];
  /** Returns what earlier nights know about a cell, by the cell's id. */
  readonly pastOf: (cell: string) => CellPast;
  /**
   * Returns the last night in which an entry of the file of known issues was about a splat. When there is no such night, returns
   * the first night that read the entry. Returns undefined when no night has read the entry.
   */
  readonly lastMatched: (issue: KnownIssue) => string | undefined;
  /**
   * The names of the earlier nights, the newest first. A note names each entry of the file of known issues that was about no splat
   * tonight and in the newest 14 of these nights.
   */
  readonly nightsBefore: readonly string[];
}

type Lists = Pick<
  NightRecord,
  | 'new'
  | 'back'
  | 'known'
  | 'gone'
  | 'rateChanged'
  | 'broken'
  | 'repaired'
  | 'disappeared'
  | 'infrastructure'
  | 'notRun'
  | 'notThere'
  | 'inconclusive'
>;

/** The judgement on a night. */
export interface JudgedNight {
  readonly cells: readonly JudgedCell[];
  readonly lists: Lists;
  readonly verdict: NightRecord['verdict'];
  readonly exitCode: number;
  readonly notes: readonly string[];
  readonly updates: readonly IssueUpdate[];
  /** The entries of the file of known issues that matched a splat of this night. */
  readonly matched: readonly KnownIssue[];
}

/** The share of the trials that a known splat may make blind, unless an entry about the splat sets another share. */
const defaultMaxBlind = 0.5;
/** A note names an entry of the file of known issues that was about no splat for this many nights. */
const quietNights = 14;

/** Judges a night: first each cell by its own past, then all cells together. */
export function judgeNight(night: NightInput): JudgedNight {
  const open = night.cells.reduce((count, { cell }) => {
    const { issues } = night.pastOf(cell.id);
    return count + issues.filter(({ state }) => state === 'open').length;
  }, 0);
  const context: NightContext = { ...night, tests: Math.max(1, open, night.cells.length) };
  const atBoot = new Map(
    night.cells
      .filter(({ bootSplats }) => bootSplats.length > 0)
      .map((input) => [
        machineKey(input.cell),
        knownAtBoot(input, night.pastOf(input.cell.id), context),
      ]),
  );
  const judged = night.cells.map((input) => {
    const { cell } = input;
    return judgeCell(input, night.pastOf(cell.id), context, atBoot.get(machineKey(cell)) ?? []);
  });
  const { cells, notes } = tellBlindness(judged);
  const lists = gather(cells);
  const matched = [...new Set(cells.flatMap((cell) => cell.matched))].flatMap(
    (at) => night.known[at] ?? [],
  );
  return {
    cells,
    lists,
    ...conclude(lists, cells.length),
    notes: [...notes, ...entryNotes(night, matched)],
    updates: cells.flatMap(({ updates }) => updates),
    matched,
  };
}

/**
 * Returns the lists of a night. `broken` and `repaired` have one item for each kernel and reason, with the first cell of that
 * kernel. Every other list has an item for each splat of a cell, or for a cell as a whole.
 */
function gather(cells: readonly JudgedCell[]): Lists {
  const of = (list: CellClass): NightItem[] =>
    cells.flatMap(({ items }) => items.flatMap((one) => (one.list === list ? [one.item] : [])));
  const perKernel = (list: CellClass): NightItem[] => {
    const seen = new Set<string>();
    return cells.flatMap(({ items, input }) =>
      items.flatMap(({ list: own, item }) => {
        const key = `${kernelKey(input.cell)} ${item.because}`;
        if (own !== list || seen.has(key)) return [];
        seen.add(key);
        return [item];
      }),
    );
  };
  return {
    new: of('new'),
    back: of('back'),
    known: of('known').filter(({ signature }) => signature !== undefined),
    gone: of('gone'),
    rateChanged: of('rateChanged'),
    broken: perKernel('broken'),
    repaired: perKernel('repaired'),
    disappeared: of('disappeared'),
    infrastructure: of('infrastructure'),
    notRun: of('notRun'),
    notThere: of('notThere'),
    inconclusive: of('inconclusive'),
  };
}

function conclude(
  lists: Lists,
  cells: number,
): { readonly verdict: NightRecord['verdict']; readonly exitCode: number } {
  const said = (...names: readonly (keyof Lists)[]): string =>
    names
      .map((name) => ({ name, count: lists[name].filter((one) => !one.follows).length }))
      .filter(({ count }) => count > 0)
      .map(({ name, count }) => `${count} ${name}`)
      .join(', ');
  const loud = said('new', 'back', 'broken', 'disappeared');
  if (loud !== '') {
    const kind =
      lists.new.length + lists.back.length > 0
        ? 'splat'
        : lists.broken.length > 0
          ? 'untestable'
          : 'inconclusive';
    return { verdict: { kind, because: loud }, exitCode: exitCodes.splat };
  }
  const failed = said('infrastructure');
  const open = said('inconclusive', 'infrastructure', 'notRun');
  if (lists.infrastructure.length > cells / 10) {
    return { verdict: { kind: 'inconclusive', because: failed }, exitCode: exitCodes.harness };
  }
  if (lists.inconclusive.length + lists.notRun.length > 0) {
    return { verdict: { kind: 'inconclusive', because: open }, exitCode: exitCodes.skip };
  }
  return {
    verdict: { kind: 'clean', ...(failed === '' ? {} : { because: failed }) },
    exitCode: exitCodes.clean,
  };
}

/**
 * The trials that became blind for one reason: the splats of one entry of the file of known issues, or, on one kernel, a known
 * splat without an entry.
 */
interface Blinded extends BlindTrials {
  /** The name of the kernel. Undefined: an entry of the file of known issues is the reason. */
  readonly kernel: string | undefined;
  /** The cells that have blind trials for this reason. */
  readonly cells: readonly JudgedCell[];
}

/**
 * Handles the trials that known splats made blind. For each entry of the file of known issues, computes the share of trials that
 * the entry's splats made blind, among all trials to which the entry may apply. For a known splat without an entry, computes the
 * share for each kernel, among the kernel's trials, because other kernels prove nothing about the splat. Returns a note about each
 * share. When a share is above its limit, a cell with such blind trials becomes inconclusive if the blind share of its own trials
 * is above the limit, too; but a cell whose class is `new`, `back` or `broken` keeps its class.
 */
function tellBlindness(cells: readonly JudgedCell[]): {
  readonly cells: readonly JudgedCell[];
  readonly notes: readonly string[];
} {
  const notes: string[] = [];
  const over = new Set<JudgedCell>();
  const groups = new Map<string, Blinded>();
  for (const cell of cells) {
    for (const { issue, blind } of cell.blind) {
      const kernel = 'key' in issue ? kernelName(cell.input.cell) : undefined;
      const group = JSON.stringify([issue, kernel]);
      const one = groups.get(group) ?? { issue, kernel, blind: 0, cells: [] };
      groups.set(group, { ...one, blind: one.blind + blind, cells: [...one.cells, cell] });
    }
  }
  for (const { issue, kernel, blind, cells: blinded } of groups.values()) {
    const all = cells
      .filter(({ input: { cell } }) =>
        'key' in issue
          ? kernelName(cell) === kernel
          : appliesTo(issue, { id: cell.id, name: cellName(cell) }),
      )
      .reduce((sum, { trials }) => sum + trials.length, 0);
    const share = all === 0 ? 0 : blind / all;
    const most = 'key' in issue ? defaultMaxBlind : (issue.maxBlind ?? defaultMaxBlind);
    const percent = `${(share * 100).toFixed(0)} %`;
    const where = kernel === undefined ? '' : ` of ${kernel}`;
    notes.push(`${nameOf(issue)} left ${blind} of ${all} trials${where} blind (${percent})`);
    if (share <= most) continue;
    for (const cell of blinded) if (blindShare(cell) > most) over.add(cell);
  }
  return {
    notes,
    cells: cells.map((cell) => {
      const marked = markBlind(cell);
      if (!over.has(cell)) return marked;
      const because = 'known splats leave more of its trials blind than is allowed';
      const item = { list: 'inconclusive' as const, item: { cell: cell.input.cell.id, because } };
      const keepsClass = ['new', 'back', 'broken'].includes(cell.class);
      return {
        ...marked,
        because,
        class: keepsClass ? cell.class : 'inconclusive',
        items: [...marked.items, item],
      };
    }),
  };
}

function blindShare({ trials }: JudgedCell): number {
  const blind = trials.filter(({ blindBy }) => blindBy.length > 0);
  return trials.length === 0 ? 0 : blind.length / trials.length;
}

function markBlind(cell: JudgedCell): JudgedCell {
  if (blindShare(cell) < 1) return cell;
  return {
    ...cell,
    items: cell.items.map(({ list, item }) => ({
      list,
      item: list === 'known' ? { ...item, blind: true } : item,
    })),
  };
}

function nameOf(issue: BlindTrials['issue']): string {
  return 'key' in issue ? issue.key : (issue.signature ?? issue.title ?? '');
}

/** True when the entry `one` of the file of known issues is about all splats that `other` is about. */
function covers(one: KnownIssue, other: KnownIssue): boolean {
  const isSameSplat = one.signature === other.signature && one.title === other.title;
  return isSameSplat && (one.cell === undefined || one.cell === other.cell);
}

/**
 * Returns a note about each entry of the file of known issues that has expired and was not renewed, or that was about no splat for
 * `quietNights` nights.
 */
function entryNotes(
  { known, nowMs, lastMatched, nightsBefore }: NightInput,
  matched: readonly KnownIssue[],
): readonly string[] {
  return known.flatMap((issue) => {
    const name = nameOf(issue);
    if (isExpired(issue, nowMs)) {
      const isRenewed = known.some((other) => !isExpired(other, nowMs) && covers(other, issue));
      if (isRenewed) return [];
      return [`known issue ${name} expired on ${issue.expires}: its splats decide again`];
    }
    if (matched.includes(issue)) return [];
    const limit = nightsBefore[quietNights - 1];
    if (limit === undefined) return [];
    const last = lastMatched(issue);
    if (last === undefined || last >= limit) return [];
    return [`known issue ${name} matched nothing for ${quietNights} nights`];
  });
}
