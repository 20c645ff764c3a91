import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { throwIfAborted } from '../host/process.ts';
import { decompress, isTar } from '../host/unpack.ts';
import { findQuiltSeries, isQuiltList, parseQuiltSeries, type QuiltLine } from './quilt.ts';
import { diskShelf, largestSeriesBytes, type Shelf, tarShelf, tooLarge } from './shelf.ts';
import { oneLine, type PassedOver } from './thread-words.ts';

/** A file of the input, or a member of an archive. `bytes` is decompressed. `file` is the path for messages. */
export interface InputFile {
  readonly file: string;
  readonly bytes: Buffer;
  /**
   * The number of leading path components to strip, as `patch -p1` does. Absent when no quilt list gives a number for this file.
   */
  readonly strip?: number;
}

/** The files that the user gave as a series, before their content is read as patches. */
export interface Input {
  /**
   * `one`: a single file. `folder`: files of a folder or archive in order of name, cover letters (`*.cover`) first. `listed`: files
   * in the order of a quilt list. `maildir`: the mails of a maildir(5).
   */
  readonly kind: 'one' | 'folder' | 'listed' | 'maildir';
  readonly files: readonly InputFile[];
  readonly passedOver: readonly PassedOver[];
  /** Notes about the order of the files, one line each. Absent: none. */
  readonly notes?: readonly string[];
}

/**
 * Opens the series at the absolute `path`; `typed` is the path as the user wrote it. Throws `usage` when the path does not exist,
 * for a git tree, for an input that is too large, and for anything other than a file, pipe or folder.
 */
export async function openInput(path: string, typed: string, signal: AbortSignal): Promise<Input> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    if ((await stat(join(path, '.git')).catch(() => undefined)) !== undefined) {
      throw new HarnessError('usage', `series ${typed} is a git tree; give ${typed}@FROM..TO`);
    }
    return openShelf(await diskShelf(path), signal);
  }
  if (found?.isFile() === true || found?.isFIFO() === true) {
    return openBytes(await readWhole(path, signal), path, signal);
  }
  if (found?.isSocket() === true) {
    const next = 'to read the series from stdin, give - instead';
    throw new HarnessError('usage', `series ${typed} is a socket, which cannot be opened; ${next}`);
  }
  const folder = /@.*\.\./.test(typed) ? ', and no folder before the @' : '';
  throw new HarnessError('usage', `series ${typed}: no such file${folder}`);
}

/**
 * Opens the bytes of a pipe or of a file as openInput() does. `path` is the path for messages. When the bytes are a list of
 * patches, the patches are searched in the folder of `path`.
 */
export async function openBytes(raw: Buffer, path: string, signal: AbortSignal): Promise<Input> {
  const bytes = await decompress(raw, { name: path, limitBytes: largestSeriesBytes, signal });
  if (isTar(bytes)) {
    return openShelf(tarShelf(bytes, path), signal);
  }
  if (await startsList(bytes, path)) {
    const shelf = await diskShelf(dirname(path));
    const isProper = basename(path) === 'series';
    if (isProper || isQuiltList(bytes, shelf.paths))
      return openList({ shelf, list: basename(path), isGivenWhole: false }, bytes, signal);
  }
  return { kind: 'one', files: [{ file: path, bytes }], passedOver: [] };
}

/**
 * True when a file may be a list of patches. The first line that is neither empty nor a comment decides: the line names
 * another file, in the folder of this file or in `patches`, or this file has the name `series` and the line does not begin a
 * mail or a diff.
 */
async function startsList(bytes: Buffer, path: string): Promise<boolean> {
  const first = bytes
    .toString('utf8', 0, 64 * 1024)
    .split('\n')
    .find((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  const [name = ''] = first?.trim().split(/\s/) ?? [];
  if (!/^[\w.+-][\w./+~:@%-]*$/.test(name) || resolve(path) === resolve(dirname(path), name))
    return false;
  for (const folder of ['', 'patches']) {
    const found = await stat(join(dirname(path), folder, name)).catch(() => undefined);
    if (found?.isFile() === true) return true;
  }
  return basename(path) === 'series' && !/^(?:From|diff|---)$/.test(name);
}

async function readWhole(path: string, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // A pipe has no size and is read until the writer closes the pipe.
  for await (const chunk of createReadStream(path, { signal })) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > largestSeriesBytes) throw new HarnessError('usage', `${path} is ${tooLarge}`);
  }
  throwIfAborted(signal);
  return Buffer.concat(chunks);
}

async function openShelf(shelf: Shelf, signal: AbortSignal): Promise<Input> {
  const top = topOf(shelf.paths);
  const below = shelf.paths.map((path) => path.slice(top.length));
  if (below.some(isMail) && !below.some((path) => ofPatch.test(path) && !path.includes('/'))) {
    const found = shelf.paths.filter((path) => isMail(path.slice(top.length)));
    const mails = found.toSorted(byNumber);
    const left = shelf.paths.filter((path) => !mails.includes(path));
    return {
      kind: 'maildir',
      files: await readAll(shelf, mails, signal),
      passedOver: [
        ...left.map((path) => leftOut(shelf, path, 'not among the mails of the maildir')),
        ...shelf.left.map(({ path, why }) => leftOut(shelf, path, why)),
      ],
    };
  }
  const mayBeLists = shelf.paths.filter((path, at) => {
    const depth = below[at]?.split('/').length ?? 0;
    return (depth === 1 && !ofPatch.test(path)) || basename(path) === 'series';
  });
  const list = await findQuiltSeries(shelf, mayBeLists);
  if (list !== undefined) {
    return openList({ shelf, list, isGivenWhole: true }, await shelf.read(list), signal);
  }
  return openFolder(shelf, top, signal);
}

/** True for a path in `new` or `cur` of a maildir(5). */
function isMail(path: string): boolean {
  return /^(?:new|cur)\/[^/]+$/.test(path);
}

/**
 * Returns the folder that holds all paths, with a slash at its end. Most archives have such a folder. Returns an empty string when
 * there is no such folder, and for a maildir with all its mails in `cur`.
 */
function topOf(paths: readonly string[]): string {
  const [first = ''] = paths;
  const top = first.slice(0, first.indexOf('/') + 1);
  if (paths.every((path) => isMail(path) && !ofPatch.test(path))) return '';
  return top !== '' && paths.every((path) => path.startsWith(top)) ? top : '';
}

async function readAll(
  shelf: Shelf,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly InputFile[]> {
  const files: InputFile[] = [];
  let left = largestSeriesBytes;
  for (const path of paths) {
    const file = shelf.place.endsWith('/') ? `${shelf.place}${path}` : `${shelf.place}/${path}`;
    const raw = await shelf.read(path);
    const bytes = await decompress(raw, { name: file, limitBytes: largestSeriesBytes, signal });
    left -= bytes.length;
    if (left < 0) throw new HarnessError('usage', `series ${shelf.place} is ${tooLarge}`);
    files.push({ file, bytes });
  }
  return files;
}

/**
 * A list of patches, and the folder or archive (`shelf`) in which it lies. `isGivenWhole` is true when the user named the folder
 * or archive, false when the user named the list.
 */
interface ListPlace {
  readonly shelf: Shelf;
  readonly list: string;
  readonly isGivenWhole: boolean;
}

async function openList(place: ListPlace, bytes: Buffer, signal: AbortSignal): Promise<Input> {
  const { shelf, list, isGivenWhole } = place;
  const lines = parseQuiltSeries(bytes.toString('utf8'), join(shelf.place, list));
  const folder = dirname(list) === '.' ? '' : `${dirname(list)}/`;
  const pathOf = ({ name }: QuiltLine): string => {
    const near = `${folder}${name}`;
    const inPatches = `${folder}patches/${name}`;
    return !shelf.paths.includes(near) && shelf.paths.includes(inPatches) ? inPatches : near;
  };
  const read = await readAll(shelf, lines.map(pathOf), signal);
  const files = read.map((one, at) => {
    const strip = lines[at]?.strip;
    return strip === undefined ? one : { ...one, strip };
  });
  const listed = new Set(lines.map(pathOf));
  const near = new Set([dirname(list), ...lines.map((line) => dirname(pathOf(line)))]);
  const left = shelf.paths
    .filter((path) => ofPatch.test(path) && !listed.has(path))
    .filter((path) => isGivenWhole || near.has(dirname(path)) || listed.size === 0);
  const links = shelf.left.filter(({ path }) => ofPatch.test(path) && isGivenWhole);
  return {
    kind: 'listed',
    files,
    passedOver: [
      ...left.map((path) => leftOut(shelf, path, `${basename(list)} does not list it`)),
      ...links.map(({ path, why }) => leftOut(shelf, path, why)),
    ],
  };
}

/** Matches the file names of patches. A compressed patch has a second suffix. */
const ofPatch = /\.(?:patch|diff|mbox|mbx|eml|mail|am)(?:\.(?:gz|xz|bz2|zst))?$/i;
/** Matches files that editors, patch(1) and quilt leave behind. These are not patches. */
const leftover = /(?:~|\.(?:orig|rej|bak|old|swp|swo|tmp|save))$|^#.*#$/i;
const readmes = /^(?:readme|changelog|copying|license|todo|news)\b/i;

async function openFolder(shelf: Shelf, top: string, signal: AbortSignal): Promise<Input> {
  const inFolder = shelf.paths.filter((path) => !path.slice(top.length).includes('/'));
  const named = inFolder.filter((path) => ofPatch.test(path) && !basename(path).startsWith('.'));
  const others = inFolder.filter((path) => !named.includes(path));
  const deeper = shelf.paths.filter((path) => path.slice(top.length).includes('/'));
  const covers = named.length === 0 ? [] : others.filter((path) => path.endsWith('.cover'));
  const chosen = inOrder(named.length > 0 ? named : likelyPatches(others));
  const isNear = ({ path }: { readonly path: string }): boolean =>
    !path.slice(top.length).includes('/');
  const far = shelf.left.filter((one) => !isNear(one)).map(({ path }) => path);
  const left = others.filter((path) => !chosen.includes(path) && !covers.includes(path));
  const files = await readAll(shelf, chosen, signal);
  const letters = await readAll(shelf, covers, signal);
  return {
    kind: 'folder',
    files: [...letters, ...files],
    notes: noteOrder(chosen),
    passedOver: [
      ...left.map((path) => leftOut(shelf, path, 'its name is not that of a patch')),
      ...shelf.left.filter(isNear).map(({ path, why }) => leftOut(shelf, path, why)),
      ...folders([...deeper, ...far], top).map((path) =>
        leftOut(shelf, path, 'a folder in the folder'),
      ),
    ],
  };
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/**
 * Sorts files as `ls` in the C locale does: 020, 0302, 100. `git am *.patch`, OpenWrt and Buildroot take files in this order. Files
 * with consecutive numbers (1, 2, ... 10) and files of an MH folder, whose names are bare numbers, are sorted by number.
 */
function inOrder(paths: readonly string[]): readonly string[] {
  const numbers = paths.map((path) => Number(/^(?:0|[1-9]\d*)(?=\D|$)/.exec(basename(path))?.[0]));
  const rising = numbers.toSorted((a, b) => a - b);
  const isCounted = rising.every((number, at) => number === at + (rising[0] === 0 ? 0 : 1));
  const isBare = paths.every((path) => /^\d+$/.test(basename(path)));
  return isCounted || isBare ? paths.toSorted(byNumber) : paths;
}

function noteOrder(paths: readonly string[]): readonly string[] {
  const counted = paths.toSorted(byNumber);
  const at = counted.findIndex((path, place) => path !== paths[place]);
  const names = [paths[at], counted[at]].map((path = '') => oneLine(basename(path)));
  return at < 0 ? [] : [`the files are in the order of ls: ${names.join(' is before ')}`];
}

/**
 * Returns the likely patches in a folder in which no file has the name of a patch, as git mailsplit, an MH folder and
 * `--suffix=.txt` leave it. Returns an empty list when the file names have different endings.
 */
function likelyPatches(paths: readonly string[]): readonly string[] {
  const numbered = paths.filter((path) => /^\d+(?:[-_.].*)?$/.test(basename(path)));
  const able = (numbered.length > 0 ? numbered : paths).filter((path) => {
    const name = basename(path);
    return !leftover.test(name) && !readmes.test(name) && !name.startsWith('.');
  });
  const endings = new Set(able.map((path) => /\.[^.]*$/.exec(basename(path))?.[0] ?? ''));
  return endings.size === 1 ? able : [];
}

function folders(paths: readonly string[], top: string): readonly string[] {
  return [...new Set(paths.map((path) => `${top}${path.slice(top.length).split('/')[0]}/`))];
}

function leftOut({ place }: Shelf, path: string, why: string): PassedOver {
  return { subject: basename(path), file: join(place, path), why };
}
