import { resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { parseGitRange, readGitRange } from './git-series.ts';
import { findGlued } from './glued.ts';
import { type Input, type InputFile, openBytes, openInput } from './input-files.ts';
import { type Mail, readTrailers } from './mail.ts';
import type { Patch, Series } from './patch.ts';
import { isPatchMail, type PatchFile, parsePatchFile, type Unplaced } from './patch-file.ts';
import { withKnownPrefixes } from './prefix.ts';
import { missingNotes, type QueueOptions, readingOf, takeQueue } from './queue.ts';
import { withFileVersion } from './queue-versions.ts';
import { choosePosting } from './thread.ts';
import { treesOf } from './thread-trees.ts';
import { oneLine, type PassedOver, passOver, shown, versionName } from './thread-words.ts';

export type { Patch, Series } from './patch.ts';

export interface ReadOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
  /**
   * Returns the version of the base kernel, such as `6.1.192`. Called only when a thread has patches for several kernels. Absent
   * when the version is not known.
   */
  readonly baseVersion?: () => Promise<string>;
}

/**
 * Reads the series at `path`. The path names:
 * - a file or pipe: an mbox, a mail, a diff, output of git log -p, a quilt list
 * - a folder: of patches, with a quilt list, or a maildir
 * - a tar archive of such files
 * - or `DIR@A..B`, the commits of a git tree
 *
 * Files and archives may be compressed. From a thread of mails, the newest complete version of one series is taken. Mails that are
 * no thread are a queue and are all taken. Throws `usage` for a missing input, an input without a patch, and an input that can be
 * read in two ways.
 */
export async function readSeries(path: string, options: ReadOptions): Promise<Series> {
  const { cwd, signal } = options;
  const range = await parseGitRange(path, cwd);
  if (range === undefined)
    return seriesOf(await openInput(resolve(cwd, path), path, signal), path, options);
  const { commits, passedOver } = await readGitRange(range, signal);
  const patches = commits.map((one) => ({ ...one, subject: oneLine(one.subject), file: path }));
  return {
    ...asSeries(path, [{ patches, counted: [], notes: notesOf(passedOver), passedOver }]),
    listed: true,
  };
}

/** Reads a series from the bytes of a pipe. `name` is the name shown to people. */
export async function parseSeries(
  bytes: Buffer,
  name: string,
  options: Omit<ReadOptions, 'cwd'>,
): Promise<Series> {
  return seriesOf(await openBytes(bytes, name, options.signal), name, options);
}

type Reader = Omit<ReadOptions, 'cwd'>;

/** The patches of one part of the input, such as a file of a list, and the notes about this part. */
interface Part extends Pick<Series, 'cover'> {
  readonly patches: readonly Unplaced[];
  /** Mails that belong to the series, the cover letter first. */
  readonly counted: readonly Mail[];
  readonly notes: readonly string[];
  readonly passedOver: readonly PassedOver[];
}

async function seriesOf(input: Input, path: string, reader: Reader): Promise<Series> {
  const parts =
    input.kind === 'listed'
      ? await readListed(input.files, path, reader)
      : await readTogether(input, path, reader);
  const left = {
    patches: [],
    counted: [],
    notes: [...(input.notes ?? []), ...notesOf(input.passedOver)],
    passedOver: input.passedOver,
  };
  const series = asSeries(path, [...parts, left]);
  return input.kind === 'listed' ? { ...series, listed: true } : series;
}

/** Reads the files of a quilt list in order, each as a separate part. */
async function readListed(
  files: readonly InputFile[],
  path: string,
  reader: Reader,
): Promise<readonly Part[]> {
  const parts: Part[] = [];
  for (const one of files) {
    const { file, strip } = one;
    const [part] = await readTogether(
      { kind: 'listed', files: [one], passedOver: [] },
      path,
      reader,
    );
    if (part === undefined || part.patches.length === 0) {
      const empty = { subject: oneLine(file), file, why: 'no patch is in it' };
      parts.push({ patches: [], counted: [], notes: notesOf([empty]), passedOver: [empty] });
    } else if (strip === undefined) parts.push(part);
    else parts.push({ ...part, patches: part.patches.map((patch) => ({ ...patch, strip })) });
  }
  return parts;
}

/**
 * Reads all files together. The mails of all files form one thread or one queue. In a queue, a file without mails keeps its place
 * among the files. Throws `usage` when the mails are a thread and another file is a patch without a mail.
 */
async function readTogether(
  { kind, files }: Input,
  path: string,
  reader: Reader,
): Promise<readonly Part[]> {
  const parsed = [];
  for (const { file, bytes } of files) {
    const one = await parsePatchFile(bytes, file, reader.signal);
    // In a folder, the file names of git format-patch -v2 tell the version.
    parsed.push({
      file,
      ...one,
      ...(kind === 'folder' ? { mails: one.mails.map(withFileVersion) } : {}),
    });
  }
  const mails = parsed.flatMap((one) => one.mails);
  const empty = parsed
    .filter((one) => one.mails.length + one.plain.length === 0 && files.length > 1)
    .map(({ file }) => ({
      subject: oneLine(file.slice(file.lastIndexOf('/') + 1)),
      file,
      why: 'no patch is in it',
    }));
  const passedOver = [...parsed.flatMap((one) => one.passedOver), ...empty];
  const said = {
    patches: [],
    counted: [],
    notes: [...parsed.flatMap((one) => one.notes), ...notesOf(passedOver)],
    passedOver,
  };
  const options = await queueOptions(mails, kind, path, reader);
  const reading = mails.length > 0 ? readingOf(mails, options) : undefined;
  if (reading?.kind !== 'thread') {
    const version = reading?.kind === 'newest' ? reading.version : undefined;
    return [fromQueue(parsed, kind, version), said];
  }
  const thread = fromThread(mails, options);
  const [one] = parsed.flatMap(({ plain }) => plain);
  if (one === undefined) return [thread, said];
  const what = `${one.file} is no mail, but other files are a thread of mails`;
  throw new HarnessError(
    'usage',
    `series ${path}: ${what}; give only the thread, only the other files, or a quilt series`,
  );
}

/** Takes the patches of all files in their order. When `version` is given, the patches of all other versions are passed over. */
function fromQueue(
  files: readonly PatchFile[],
  kind: Input['kind'],
  version: number | undefined,
): Part {
  const isOlder = ({ tag }: Mail): boolean => version !== undefined && tag.version !== version;
  const taken = files.map((one) => ({ ...one, mails: one.mails.filter((mail) => !isOlder(mail)) }));
  const older = files.flatMap((one) => one.mails.filter(isOlder));
  const why = `of another version; v${versionName(version ?? 1)} is taken`;
  const isListed = kind === 'listed';
  const all = taken.flatMap((one) => one.mails);
  const { cover, passedOver: without, patches: queued } = takeQueue(all, isListed);
  const queues = taken.map((one) => ({ ...takeQueue(one.mails, isListed), plain: one.plain }));
  const passedOver = [...older.map((mail) => passOver(mail, why)), ...without];
  return {
    patches: queues.flatMap((one) => [...one.patches.map(asPatch), ...one.plain]),
    counted: [...(cover === undefined ? [] : [cover]), ...queued],
    notes: [
      ...queues.flatMap((one) => one.notes),
      // Patches in a list were chosen on purpose.
      ...(isListed ? [] : missingNotes(queued)),
      ...notesOf(passedOver),
    ],
    passedOver,
    ...(cover === undefined ? {} : { cover: readCover(cover) }),
  };
}

async function queueOptions(
  mails: readonly Mail[],
  kind: Input['kind'],
  path: string,
  { baseVersion }: Reader,
): Promise<QueueOptions> {
  const where = `series ${path}`;
  const isAsked = baseVersion !== undefined && treesOf(mails, isPatchMail).length > 1;
  return isAsked ? { where, kind, base: await baseVersion() } : { where, kind };
}

function fromThread(mails: readonly Mail[], { where, base }: QueueOptions): Part {
  const options = { isPatch: isPatchMail, where, ...(base === undefined ? {} : { base }) };
  const { patches, cover, notes, passedOver } = choosePosting(mails, options);
  return {
    patches: patches.map(asPatch),
    counted: cover === undefined ? patches : [cover, ...patches],
    notes: [...notes.map(oneLine), ...reorderNotes(mails, patches)],
    passedOver,
    ...(cover === undefined ? {} : { cover: readCover(cover) }),
  };
}

/** A line that says that files or mails without Message-Ids are taken in another order than that of the input. */
function reorderNotes(mails: readonly Mail[], patches: readonly Mail[]): readonly string[] {
  if (mails.some(({ messageId }) => messageId !== undefined)) return [];
  const places = patches.map((mail) => mails.indexOf(mail));
  const isMoved = places.some((place, at) => at > 0 && place < (places[at - 1] ?? 0));
  return isMoved ? ['the patches are in the order of the numbers in their subjects'] : [];
}

/** The number of passed-over items that the notes name one by one. */
const mostNamed = 5;

function notesOf(passedOver: readonly PassedOver[]): readonly string[] {
  const named = passedOver.slice(0, mostNamed);
  const more = passedOver.length - named.length;
  return [
    ...named.map(({ subject, why }) => `passed over: ${shown(subject)}: ${why}`),
    ...(more > 0 ? [`passed over: ${more} more; --list --json names them`] : []),
  ];
}

function asSeries(path: string, parts: readonly Part[]): Series {
  const patches = parts.flatMap((part) => part.patches);
  const notes = parts.flatMap((part) => part.notes);
  const passedOver = parts.flatMap((part) => part.passedOver);
  if (patches.length === 0) {
    const [first] = notes;
    const why = first === undefined ? '' : `; ${first}`;
    const isReply = passedOver.some((one) => one.why === 'a diff in a reply');
    const next = isReply ? '; to test such a diff, give it as a file of its own' : '';
    throw new HarnessError('usage', `series ${path} holds no patch${why}${next}`);
  }
  for (const { subject, diff } of patches) {
    const glued = findGlued(diff);
    if (glued === undefined) continue;
    const what = `"${shown(subject)}" holds several patches: another begins with "${shown(glued)}"`;
    const next = 'give each as a mail or file of its own';
    throw new HarnessError('usage', `series ${path}: ${what}; ${next}`);
  }
  const cover = parts.map((part) => part.cover).find((one) => one !== undefined);
  const mails = parts.flatMap(({ counted }) => counted);
  return {
    name: path,
    patches: patches.map((patch, at) => ({ index: at + 1, ...withKnownPrefixes(ended(patch)) })),
    ...(notes.length === 0 ? {} : { notes }),
    ...(passedOver.length === 0 ? {} : { passedOver }),
    ...(cover === undefined ? {} : { cover }),
    ...(mails.length === 0 ? {} : { trailers: readTrailers(mails) }),
  };
}

/**
 * Returns the patch with a line end behind its last line. git apply needs this line end, which the clipboard and
 * `$(git diff)` remove.
 */
function ended(patch: Unplaced): Unplaced {
  return patch.diff.endsWith('\n') ? patch : { ...patch, diff: `${patch.diff}\n` };
}

function asPatch(mail: Mail): Unplaced {
  const { messageId, author, subject, subjectLine, diff, file = '', diffLine, tag } = mail;
  return {
    subject: oneLine(subject) || oneLine(file.slice(file.lastIndexOf('/') + 1)),
    ...(subjectLine === '' ? {} : { subjectLine: oneLine(subjectLine) }),
    file,
    ...(messageId === undefined ? {} : { messageId }),
    ...(author === undefined ? {} : { author: oneLine(author) }),
    ...(tag.isVersioned ? versionOf(versionName(tag.version)) : {}),
    diff,
    ...(diffLine === undefined ? {} : { diffLine }),
  };
}

function versionOf(name: string): Pick<Patch, 'version' | 'versionName'> {
  const version = Number(name);
  return String(version) === name ? { version } : { version, versionName: name };
}

function readCover({ subject, subjectLine, messageId }: Mail): NonNullable<Series['cover']> {
  return {
    subject: oneLine(subject),
    subjectLine: oneLine(subjectLine),
    ...(messageId === undefined ? {} : { messageId }),
  };
}

/** The patches of several series, in the order of application. */
export function allPatches(series: readonly Series[]): readonly Patch[] {
  return series.flatMap((one) => one.patches);
}
