import { isSeq, parseDocument } from 'yaml';
import { HarnessError } from '../errors.ts';
import { type KnownIssue, knownFileSchema } from '../records/known-issues.ts';
import { literalLetters, matchesGlob } from './glob.ts';
import { readYaml, type YamlFile } from './yaml-file.ts';

/** The pattern of a known issue must have at least this many letters and digits; with fewer it would match nearly everything. */
const fewestLetters = 3;

/**
 * Parses the text of a file of known issues. Throws `config`, with the place of the error and what would be valid, for malformed
 * text. `file` is the file's name in messages.
 */
export function parseKnown(
  text: string,
  file: string,
): YamlFile<{ readonly issues: readonly KnownIssue[] }> {
  const read = readYaml(text, file, knownFileSchema);
  for (const [at, issue] of read.value.issues.entries()) {
    const fail = (key: string, message: string): never => {
      throw new HarnessError(
        'config',
        `${read.placeOf(['issues', at, key])}: issues[${at}]${message}`,
      );
    };
    const { signature, title, expires } = issue;
    if ((signature === undefined) === (title === undefined)) {
      fail(
        '',
        `: it has ${title === undefined ? 'neither signature nor title' : 'both signature and title'}; give one of them`,
      );
    }
    const key = signature === undefined ? 'title' : 'signature';
    const glob = signature ?? title ?? '';
    if (literalLetters(glob) < fewestLetters) {
      fail(
        key,
        `.${key}: ${JSON.stringify(glob)} matches too much; it must have at least ${fewestLetters} letters or digits`,
      );
    }
    if (!isDay(expires))
      fail('expires', `.expires: ${expires} is not valid; it must be a day such as 2027-01-31`);
  }
  return read;
}

/** True for a day of the calendar, such as `2027-01-31`. */
function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** True when the last day (in UTC) of an entry of the file of known issues is over. */
export function isExpired({ expires }: Pick<KnownIssue, 'expires'>, nowMs: number): boolean {
  return nowMs >= Date.parse(`${expires}T00:00:00Z`) + 24 * 60 * 60 * 1000;
}

/** A splat of a cell, with the fields that an entry of the file of known issues can name. */
export interface SplatInCell {
  readonly signature: string;
  readonly title: string;
  readonly cell: { readonly id: string; readonly name: string };
}

/**
 * True when an entry of the file of known issues is about this splat: the entry's patterns for the signature or title and for the
 * cell match. An expired entry counts, too.
 */
export function isAbout(issue: KnownIssue, { signature, title, cell }: SplatInCell): boolean {
  return (
    (issue.signature === undefined || matchesGlob(issue.signature, signature)) &&
    (issue.title === undefined || matchesGlob(issue.title, title)) &&
    appliesTo(issue, cell)
  );
}

/**
 * True when an entry of the file of known issues may be about a splat of this cell: the entry names no cell, or its pattern
 * matches the cell's id or name.
 */
export function appliesTo({ cell: glob }: KnownIssue, cell: SplatInCell['cell']): boolean {
  return glob === undefined || matchesGlob(glob, cell.id) || matchesGlob(glob, cell.name);
}

/** Returns the text of a file of known issues with one more entry. Keeps comments and the order of the other entries. */
export function addKnown(text: string, issue: KnownIssue): string {
  const document = parseDocument(text.trim() === '' ? 'issues: []\n' : text);
  const issues = document.get('issues');
  const entry = document.createNode(issue);
  if (isSeq(issues)) {
    issues.flow = false;
    issues.add(entry);
  } else document.set('issues', [issue]);
  return document.toString({ lineWidth: 0 });
}
