import { isMap, isSeq, parseDocument } from 'yaml';
import { HarnessError } from '../errors.ts';
import { literalGlob, literalLetters } from '../night/glob.ts';
import { addKnown, isExpired, parseKnown } from '../night/known-file.ts';
import type { KnownIssue } from '../records/known-issues.ts';

/** The words of `splat known add`, as typed. */
export interface RequestedEntry {
  readonly signature: string | undefined;
  /** True when `signature` is a title. */
  readonly title: boolean;
  readonly until: string | undefined;
  readonly reason: string | undefined;
  readonly link: string | undefined;
  readonly owner: string | undefined;
  readonly cell: string | undefined;
  readonly maxBlind: number | undefined;
}

/**
 * Returns the entry that `splat known add` describes. Throws `usage`, with the name of the option, for a value that the file of
 * known issues cannot have, and for a day that is over at `nowMs`.
 */
export function requestedIssue(entry: RequestedEntry, nowMs: number): KnownIssue {
  const { signature, until, reason, link, owner, cell, maxBlind } = entry;
  if (signature === undefined || until === undefined || reason === undefined) {
    throw new HarnessError('usage', 'known add needs SIGNATURE, --until DAY and --reason WHY');
  }
  const glob = literalGlob(signature);
  requirePattern(signature, glob, entry.title);
  requireDay(until, nowMs);
  if (maxBlind !== undefined && !(maxBlind >= 0 && maxBlind <= 1)) {
    throw new HarnessError('usage', `--max-blind ${maxBlind}: not a number from 0 to 1`);
  }
  return {
    ...(entry.title ? { title: glob } : { signature: glob }),
    ...(cell === undefined ? {} : { cell }),
    reason,
    ...(link === undefined ? {} : { link }),
    ...(owner === undefined ? {} : { owner }),
    expires: until,
    ...(maxBlind === undefined ? {} : { maxBlind }),
  };
}

function requirePattern(typed: string, glob: string, isTitle: boolean): void {
  const shown = `known add ${JSON.stringify(typed)}`;
  if (!isTitle && /\s/.test(typed.trim())) {
    throw new HarnessError('usage', `${shown}: a signature has no spaces: add --title for a title`);
  }
  if (literalLetters(glob) < 3) {
    const what = isTitle ? 'title' : 'signature';
    throw new HarnessError(
      'usage',
      `${shown}: it matches too much; a ${what} has at least 3 letters or digits`,
    );
  }
}

function requireDay(until: string, nowMs: number): void {
  const time = /^\d{4}-\d\d-\d\d$/.test(until) ? Date.parse(`${until}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(time) || !dayOf(time).startsWith(until)) {
    throw new HarnessError('usage', `--until ${until}: not a day such as 2027-01-31`);
  }
  if (!isExpired({ expires: until }, nowMs)) return;
  throw new HarnessError(
    'usage',
    `--until ${until}: this day is over; the first valid day is ${dayOf(nowMs)}`,
  );
}

/** The day of a time, in UTC: `2027-01-31`. */
function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/**
 * Returns the text of a file of known issues with one more entry. When the file already has entries for the same splat in the same
 * cells, those entries get the fields of the new entry instead. Comments and the order of the entries are kept. Throws `config`
 * when the file is malformed. `file` is the name of the file in messages.
 */
export function enterIssue(
  before: string,
  issue: KnownIssue,
  file: string,
): { readonly text: string; readonly isRenewed: boolean } {
  const { issues } = parseKnown(before === '' ? 'issues: []' : before, file).value;
  const same = issues.flatMap((one, at) => (isSameSplat(one, issue) ? [at] : []));
  const text = same.length === 0 ? addKnown(before, issue) : renewed(before, same, issue);
  parseKnown(text, file);
  return { text, isRenewed: same.length > 0 };
}

function isSameSplat(a: KnownIssue, b: KnownIssue): boolean {
  return a.signature === b.signature && a.title === b.title && a.cell === b.cell;
}

function renewed(text: string, places: readonly number[], issue: KnownIssue): string {
  const document = parseDocument(text);
  const issues = document.get('issues');
  for (const at of places) {
    const entry = isSeq(issues) ? issues.get(at) : undefined;
    if (!isMap(entry)) continue;
    for (const [key, value] of Object.entries(issue)) entry.set(key, value);
  }
  return document.toString({ lineWidth: 0 });
}
