import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { HarnessError } from '../errors.ts';
import { parseDiff } from './diff.ts';
import { parseGitRange, readGitRange } from './git-series.ts';
import { type Mail, readMails, readTrailers, type Trailers } from './mail.ts';
import { choosePosting } from './thread.ts';

/** Patches that are applied in order. */
export interface Series {
  /** As a person names it: the file or folder it came from. */
  readonly name: string;
  readonly patches: readonly Patch[];
  /** What was passed over in the thread it came from, a line each. Absent: nothing. */
  readonly notes?: readonly string[];
  /** Of a thread that has a cover letter. */
  readonly cover?: {
    readonly subject: string;
    readonly subjectLine: string;
    readonly messageId?: string;
  };
  /** What it says of its base; absent for what came without mail headers. */
  readonly trailers?: Trailers;
  /** Somebody wrote the order of its patches down: each stands for itself, whatever its mail says. Default false. */
  readonly listed?: boolean;
  /** Left out, and said so, when it does not apply: our own driver on a tree it was not written for. Default false. */
  readonly optional?: boolean;
  /** The tree may have the first of its patches, or all: those are passed over. A back-port over many commits. Default false. */
  readonly maybeThere?: boolean;
}

export interface Patch {
  /** From 1, in the order of application. */
  readonly index: number;
  /** Without `[PATCH 2/3]`; the file name when there is none. One line, no control characters. */
  readonly subject: string;
  /** With it, as the mail has it. Absent: it is of no mail. */
  readonly subjectLine?: string;
  /** Where it was read from. */
  readonly file: string;
  readonly messageId?: string;
  /** `Name <address>`, as the mail has it: escape before printing. */
  readonly author?: string;
  /** The unified diff, one character per byte (latin1): a patch may be in any encoding. */
  readonly diff: string;
}

interface ReadOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** A patch before it has its place. */
type Unplaced = Omit<Patch, 'index'>;

/** Larger than any series ever posted; a gzip bomb ends here. */
const largestSeriesBytes = 128 * 1024 * 1024;

/**
 * The series at `path`: an mbox or a mail (plain or .gz), a diff without mail headers, a quilt folder (its `series` file
 * says the order), such a series file itself (`series` or `series-NAME`), a folder of *.patch, *.diff and *.mbox files in
 * the order of their names, or `DIR@A..B`, the commits of a git tree. Of mails the newest complete version counts; cover
 * letters and replies are passed over. Throws `usage` when there is nothing or no patch in it, and for mails of which it
 * cannot be told which are the series.
 */
export async function readSeries(path: string, options: ReadOptions): Promise<Series> {
  const { cwd, signal } = options;
  const full = resolve(cwd, path);
  const found = await stat(full).catch(() => undefined);
  const range = found === undefined ? await parseGitRange(path, cwd) : undefined;
  if (range !== undefined) {
    const { commits, notes } = await readGitRange(range, signal);
    const patches = commits.map((one) => ({ ...one, subject: oneLine(one.subject), file: path }));
    const part = { patches, letters: [], notes: notes.map(oneLine) };
    return { ...asSeries(path, [part]), listed: true };
  }
  if (found === undefined) throw new HarnessError('usage', `series ${path}: no such file`);
  const listed = found.isDirectory() ? await listPatchFiles(full) : await listOne(full);
  const files: PatchFile[] = [];
  for (const file of listed.files) files.push(await readPatchFile(file, signal));
  // A folder of mails is a thread; the order of a quilt series is what its file says.
  const isThread = !listed.ordered && files.every(({ letters }) => letters.length > 0);
  const parts = isThread
    ? [
        fromThread(
          files.flatMap(({ letters }) => letters),
          path,
        ),
      ]
    : files.map((file) => fromFile(file, path));
  return { ...asSeries(path, parts), ...(listed.ordered ? { listed: true } : {}) };
}

/** Of a list somebody wrote: a mail of a larger series stands for itself there. */
function fromFile({ letters, plain }: PatchFile, path: string): Part {
  const [only, ...others] = letters;
  if (only === undefined) return { patches: plain, letters };
  const isPatch = others.length === 0 && only.mail.tag.index !== 0 && isPatchMail(only.mail);
  return isPatch ? { patches: [asPatch(only)], letters } : fromThread(letters, path);
}

/** The series in the bytes of an mbox, a mail or a diff; `name` is what people call it. Throws `usage` for none. */
export async function parseSeries(
  bytes: Buffer,
  name: string,
  signal: AbortSignal,
): Promise<Series> {
  const { letters, plain } = await parsePatches(bytes, name, signal);
  return asSeries(name, [
    letters.length > 0 ? fromThread(letters, name) : { patches: plain, letters },
  ]);
}

function asSeries(path: string, parts: readonly Part[]): Series {
  const patches = parts.flatMap((part) => part.patches);
  if (patches.length === 0) throw new HarnessError('usage', `series ${path} holds no patch`);
  const notes = parts.flatMap((part) => part.notes ?? []);
  const cover = parts.map((part) => part.cover).find((one) => one !== undefined);
  const mails = parts.flatMap(({ letters }) => letters.map(({ mail }) => mail));
  return {
    name: path,
    patches: patches.map((patch, at) => ({ index: at + 1, ...patch })),
    ...(notes.length === 0 ? {} : { notes }),
    ...(cover === undefined ? {} : { cover }),
    ...(mails.length === 0 ? {} : { trailers: readTrailers(mails) }),
  };
}

/** A mail, and the file it was in. */
interface Letter {
  readonly mail: Mail;
  readonly file: string;
}

/** What a file holds: mails, or a diff. */
interface PatchFile {
  readonly letters: readonly Letter[];
  readonly plain: readonly Unplaced[];
}

/** What becomes of a thread or of a plain diff. */
interface Part extends Pick<Series, 'notes' | 'cover'> {
  readonly patches: readonly Unplaced[];
  /** Those that count. */
  readonly letters: readonly Letter[];
}

async function toLetters(
  bytes: Uint8Array,
  file: string,
  signal: AbortSignal,
): Promise<readonly Letter[]> {
  return (await readMails(bytes, signal)).map((mail) => ({ mail, file }));
}

function isPatchMail({ diff }: Mail): boolean {
  return parseDiff(diff).length > 0;
}

function fromThread(letters: readonly Letter[], path: string): Part {
  const files = new Map(letters.map(({ mail, file }) => [mail, file]));
  const mails = letters.map(({ mail }) => mail);
  const { patches, cover, notes } = choosePosting(mails, isPatchMail, `series ${path}`);
  const counted = cover === undefined ? patches : [cover, ...patches];
  return {
    patches: patches.map((mail) => asPatch({ mail, file: files.get(mail) ?? '' })),
    letters: counted.map((mail) => ({ mail, file: files.get(mail) ?? '' })),
    notes: notes.map(oneLine),
    ...(cover === undefined ? {} : { cover: readCover(cover) }),
  };
}

function asPatch({ mail, file }: Letter): Unplaced {
  const { messageId, author, subject, subjectLine, diff } = mail;
  return {
    subject: oneLine(subject) || basename(file),
    ...(subjectLine === '' ? {} : { subjectLine: oneLine(subjectLine) }),
    file,
    ...(messageId === undefined ? {} : { messageId }),
    ...(author === undefined ? {} : { author: oneLine(author) }),
    diff,
  };
}

function readCover({ subject, subjectLine, messageId }: Mail): NonNullable<Series['cover']> {
  return {
    subject: oneLine(subject),
    subjectLine: oneLine(subjectLine),
    ...(messageId === undefined ? {} : { messageId }),
  };
}

/** Several series as one, applied one after the other. */
export function allPatches(series: readonly Series[]): readonly Patch[] {
  return series.flatMap((one) => one.patches);
}

/** Files of patches; `ordered` when somebody wrote their order down. */
interface Listed {
  readonly files: readonly string[];
  readonly ordered: boolean;
}

/** A folder may hold several series files, as for several versions of the tree. */
async function listOne(file: string): Promise<Listed> {
  if (!/^series(?:-[\w.-]+)?$/.test(basename(file))) return { files: [file], ordered: false };
  const text = await readFile(file, 'utf8');
  const isMbox = /^(?:From |diff |--- )/m.test(text);
  return isMbox ? { files: [file], ordered: false } : readQuiltSeries(file, text);
}

function readQuiltSeries(file: string, text: string): Listed {
  const files = parseQuiltSeries(text, file).map((name) => join(dirname(file), name));
  return { files, ordered: true };
}

async function listPatchFiles(dir: string): Promise<Listed> {
  const file = join(dir, 'series');
  const quilt = await readFile(file, 'utf8').catch(() => undefined);
  if (quilt !== undefined) return readQuiltSeries(file, quilt);
  const names = await readdir(dir);
  const files = names
    .filter((name) => /\.(?:patch|diff|mbox|eml)(?:\.gz)?$/.test(name))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => join(dir, name));
  return { files, ordered: false };
}

/**
 * The patch names of a quilt(1) `series` file: `fix.patch -p1 # comment` a line. Throws `usage` for a name outside of
 * its folder and for a strip level other than one.
 */
function parseQuiltSeries(text: string, file: string): readonly string[] {
  return text.split('\n').flatMap((line, at) => {
    const [name, ...flags] = line.replace(/#.*$/, '').trim().split(/\s+/);
    if (!name) return [];
    const place = `${file}:${at + 1}`;
    if (name.startsWith('/') || name.split('/').includes('..')) {
      throw new HarnessError('usage', `${place}: ${name} is not in the folder`);
    }
    const unknown = flags.find((flag) => flag !== '-p1' && flag !== '-pab');
    if (unknown !== undefined) throw new HarnessError('usage', `${place}: ${unknown}: only -p1`);
    return [name];
  });
}

async function readPatchFile(file: string, signal: AbortSignal): Promise<PatchFile> {
  return parsePatches(await readMaybeGzip(file), file, signal);
}

async function parsePatches(bytes: Buffer, file: string, signal: AbortSignal): Promise<PatchFile> {
  if (looksLikeMail(bytes)) {
    const letters = await toLetters(bytes, file, signal);
    const isCover = letters.some(({ mail }) => mail.tag.index === 0);
    if (isCover || letters.some(({ mail }) => isPatchMail(mail))) return { letters, plain: [] };
  }
  const text = bytes.toString('latin1');
  const diff = isAllCrlf(text) ? text.replaceAll('\r\n', '\n') : text;
  const isDiff = parseDiff(diff).length > 0;
  return { letters: [], plain: isDiff ? [{ subject: oneLine(basename(file)), file, diff }] : [] };
}

async function readMaybeGzip(file: string): Promise<Buffer> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) throw new HarnessError('usage', `patch ${file}: no such file`);
  if (found.size > largestSeriesBytes) throw new HarnessError('usage', `${file} is too large`);
  const bytes = await readFile(file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: largestSeriesBytes });
  } catch (error) {
    throw badGzip(file, error);
  }
}

function badGzip(file: string, cause: unknown): HarnessError {
  return new HarnessError('usage', `${file} is not a complete gzip file`, { cause });
}

/** An mbox starts with `From `, a mail or a quilt patch with a header field (RFC 5322, 2.2). */
function looksLikeMail(bytes: Buffer): boolean {
  const head = bytes.toString('latin1', 0, 1024).trimStart();
  return /^(?:From |[A-Za-z][A-Za-z-]*:[ \t])/.test(head) && !head.startsWith('Index: ');
}

function isAllCrlf(text: string): boolean {
  const ends = text.match(/\n/g)?.length ?? 0;
  return ends > 0 && text.match(/\r\n/g)?.length === ends;
}

/** Subjects are printed: control characters of a hostile mail end here. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is removed
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}
