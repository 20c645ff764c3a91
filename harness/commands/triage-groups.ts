import { counted } from '../counted.ts';
import type { Finding } from '../records/finding.ts';
import type { TriagedFolder } from '../records/triage-folder.ts';
import { jsonText } from '../report/json-text.ts';
import { escapeLogText, formatFinding, titleOf } from '../report/triage-text.ts';
import type { CommandContext } from './context.ts';
import { isDecisive, keptFinding, write } from './triage-output.ts';

type Place = TriagedFolder['groups'][number]['first'];
type Unreadable = TriagedFolder['unreadable'][number];

/** The findings with one signature in all logs. */
interface Group {
  readonly finding: Finding;
  readonly files: Set<string>;
  readonly first: Place;
  last: Place;
  count: number;
}

/** The findings of several logs, in groups by signature. */
export interface Groups {
  add(finding: Finding, place: Place): void;
  /** Returns the groups, the most frequent group first. */
  all(): readonly Group[];
}

export function openGroups(): Groups {
  const groups = new Map<string, Group>();
  return {
    add(finding, place) {
      const group = groups.get(finding.signature);
      if (group === undefined) {
        const files = new Set([place.file]);
        const kept = keptFinding(finding);
        const both = { first: place, last: place };
        groups.set(finding.signature, { finding: kept, files, ...both, count: 1 });
        return;
      }
      group.files.add(place.file);
      group.last = place;
      group.count++;
    },
    all: () => [...groups.values()].toSorted((a, b) => b.count - a.count),
  };
}

/** The result of reading several logs. */
export interface ReadLogs {
  readonly found: Groups;
  /** The splats of canaries. */
  readonly seeded: Groups;
  /** The files that were not read. */
  readonly leftOut: readonly Unreadable[];
  /** The files that were not read to their end. */
  readonly readInPart: readonly Unreadable[];
  /** The number of logs that were read. */
  readonly logs: number;
}

export function groupsToJson({ found, seeded, leftOut, readInPart, logs }: ReadLogs): string {
  const document: TriagedFolder = {
    groups: rowsOf(found),
    seeded: rowsOf(seeded),
    unreadable: [...leftOut, ...readInPart].toSorted((a, b) => (a.file < b.file ? -1 : 1)),
    logs,
  };
  return `${jsonText(document)}\n`;
}

function rowsOf(groups: Groups): TriagedFolder['groups'] {
  return groups.all().map(({ finding, files, first, last, count }) => {
    const { signature, title, kind } = finding;
    return { signature, title, kind, count, files: [...files], first, last };
  });
}

/** Prints the groups, the files that were not read, the seeded splats, and last a line for all logs, if any log was read. */
export async function tellGroups(read: ReadLogs, context: CommandContext): Promise<void> {
  const { found, seeded, leftOut, readInPart, logs } = read;
  const style = { colour: context.colour, frames: 4 };
  for (const { finding, files, first, last, count } of found.all()) {
    const where = `${count} in ${files.size} of ${counted(logs, 'log')}`;
    const places = `first ${placeOf(first)}, last ${placeOf(last)}`;
    await write(context, `${formatFinding(finding, style)}\n    ${where}, ${places}\n\n`);
  }
  const lines = [
    ...leftOut.map((one) => `left out: ${whyOf(one)}`),
    ...readInPart.map((one) => `read in part: ${whyOf(one)}`),
    ...seeded
      .all()
      .map(
        ({ finding, files, first, count }) =>
          `seeded: ${titleOf(finding)}: ${count} in ${counted(files.size, 'log')}, first ${placeOf(first)}`,
      ),
    ...(logs === 0 ? [] : [summaryOf(read)]),
  ];
  await write(context, lines.map((line) => `${line}\n`).join(''));
}

function summaryOf({ found, seeded, logs }: ReadLogs): string {
  const splats = found.all().filter(({ finding }) => isDecisive(finding));
  const names = splats.map(({ finding }) => titleOf(finding)).join('; ');
  const seededCount = seeded.all().reduce((sum, { count }) => sum + count, 0);
  const beside =
    seededCount === 0 ? '' : `, and ${counted(seededCount, 'splat')} that canaries seeded`;
  return `${counted(logs, 'log')}: ${names === '' ? 'no splats' : names}${beside}`;
}

function whyOf({ file, why }: Unreadable): string {
  return `${escapeName(file)}: ${escapeLogText(why)}`;
}

/** The place of a finding, such as `b.log:12 (finding 3)`. The number is for `splat triage b.log --explain 3`. */
function placeOf({ file, line, number }: Place): string {
  return `${escapeName(file)}:${line} (finding ${number})`;
}

/** The name of a file on one line. Newlines in a file name, unlike newlines in a log, only deceive. */
function escapeName(file: string): string {
  return escapeLogText(file).replaceAll('\n', '\\x0a');
}
