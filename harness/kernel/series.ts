import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { HarnessError } from '../errors.ts';
import { parseDiff } from './diff.ts';
import { orderMails, readMails } from './mail.ts';

/** Patches that are applied in order. */
export interface Series {
  /** As a person names it: the file or folder it came from. */
  readonly name: string;
  readonly patches: readonly Patch[];
  /** Left out, and said so, when it does not apply: our own driver on a tree it was not written for. Default false. */
  readonly optional?: boolean;
}

export interface Patch {
  /** From 1, in the order of application. */
  readonly index: number;
  /** Without `[PATCH 2/3]`; the file name when there is none. One line, no control characters. */
  readonly subject: string;
  /** Where it was read from. */
  readonly file: string;
  readonly messageId?: string;
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
 * says the order), such a series file itself (`series` or `series-NAME`), or a folder of *.patch, *.diff and *.mbox files in
 * the order of their names. Cover letters and replies are passed over. Throws `usage` when there is nothing or no patch in it.
 */
export async function readSeries(path: string, options: ReadOptions): Promise<Series> {
  const full = resolve(options.cwd, path);
  const found = await stat(full).catch(() => undefined);
  if (found === undefined) throw new HarnessError('usage', `series ${path}: no such file`);
  const files = found.isDirectory() ? await listPatchFiles(full) : await listOne(full);
  const patches: Unplaced[] = [];
  for (const file of files) patches.push(...(await readPatchFile(file, options.signal)));
  if (patches.length === 0) throw new HarnessError('usage', `series ${path} holds no patch`);
  return { name: path, patches: patches.map((patch, at) => ({ index: at + 1, ...patch })) };
}

/** Several series as one, applied one after the other. */
export function allPatches(series: readonly Series[]): readonly Patch[] {
  return series.flatMap((one) => one.patches);
}

/** A folder may hold several series files, as for several versions of the tree. */
async function listOne(file: string): Promise<readonly string[]> {
  if (!/^series(?:-[\w.-]+)?$/.test(basename(file))) return [file];
  const text = await readFile(file, 'utf8');
  return /^(?:From |diff |--- )/m.test(text) ? [file] : readQuiltSeries(file, text);
}

function readQuiltSeries(file: string, text: string): readonly string[] {
  return parseQuiltSeries(text, file).map((name) => join(dirname(file), name));
}

async function listPatchFiles(dir: string): Promise<readonly string[]> {
  const file = join(dir, 'series');
  const quilt = await readFile(file, 'utf8').catch(() => undefined);
  if (quilt !== undefined) return readQuiltSeries(file, quilt);
  const names = await readdir(dir);
  return names
    .filter((name) => /\.(?:patch|diff|mbox)(?:\.gz)?$/.test(name))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => join(dir, name));
}

/**
 * The patch names of a quilt(1) `series` file: `fix.patch -p1 # comment` a line. Throws `usage` for a name outside of
 * its folder and for a strip level other than one.
 */
export function parseQuiltSeries(text: string, file: string): readonly string[] {
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

async function readPatchFile(file: string, signal: AbortSignal): Promise<readonly Unplaced[]> {
  const bytes = await readMaybeGzip(file);
  if (looksLikeMail(bytes)) {
    const mails = await readMails(bytes, signal);
    const patches = orderMails(mails.filter((mail) => parseDiff(mail.diff).length > 0));
    if (patches.length > 0) {
      return patches.map((mail) => ({
        subject: oneLine(mail.subject) || basename(file),
        file,
        ...(mail.messageId === undefined ? {} : { messageId: mail.messageId }),
        diff: mail.diff,
      }));
    }
  }
  const text = bytes.toString('latin1');
  const diff = isAllCrlf(text) ? text.replaceAll('\r\n', '\n') : text;
  return parseDiff(diff).length === 0 ? [] : [{ subject: oneLine(basename(file)), file, diff }];
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
