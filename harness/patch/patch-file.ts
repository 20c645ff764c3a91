import { basename } from 'node:path';
import { HarnessError } from '../errors.ts';
import { findCommitLog, readCommitLog } from './commit-log.ts';
import { parseDiff } from './diff.ts';
import { type Mail, readMails } from './mail.ts';
import type { Patch } from './patch.ts';
import { oneLine, type PassedOver } from './thread-words.ts';

/** A patch that has no index in a series yet. */
export type Unplaced = Omit<Patch, 'index'>;

/**
 * The patches of one file: either mails, or diffs without mails (`plain`). `mails` and `plain` are both empty when the file holds
 * no patch.
 */
export interface PatchFile {
  readonly mails: readonly Mail[];
  readonly plain: readonly Unplaced[];
  readonly passedOver: readonly PassedOver[];
  /** Notes about how the file was read, one line each. */
  readonly notes: readonly string[];
}

/** True for a mail whose text has a diff that changes a file. */
export function isPatchMail({ diff }: Mail): boolean {
  return diff !== '' && parseDiff(diff).length > 0;
}

/**
 * Reads the patches in the bytes of a file: an mbox, a mail, output of `git log -p`, or a diff. `file` is the path shown to people.
 * Throws `usage` for a web page, a zip archive, coloured output and output of `git log --graph`, which are recognised by their
 * beginnings. Throws for output of `git log -p` as readCommitLog() does.
 */
export async function parsePatchFile(
  bytes: Buffer,
  file: string,
  signal: AbortSignal,
): Promise<PatchFile> {
  refuseBinary(bytes, file);
  const { bytes: start, skippedLines } = atFirstMail(withoutByteOrderMark(bytes));
  const text = withUnixLines(start.toString('latin1'));
  const log = findCommitLog(text);
  if (looksLikeMail(start) && !hasOnlyWords(log?.above)) {
    const mails = (await readMails(start, signal, file)).map((mail) => moved(mail, skippedLines));
    const isCover = mails.some(({ tag }) => tag.index === 0);
    // Several delivered mails without a readable diff are never read as a plain diff: an HTML text may contain lines that look like
    // a diff.
    const areDelivered =
      mails.length > 1 && mails.every(({ messageId }) => messageId !== undefined);
    if (isCover || areDelivered || mails.some(isPatchMail))
      return { mails, plain: [], passedOver: [], notes: [] };
  }
  if (log !== undefined) {
    const { commits, passedOver, notes } = readCommitLog(log, file);
    const plain = commits.map(({ id, subject, ...commit }) => ({
      diff: commit.diff,
      diffLine: commit.diffLine,
      subject: oneLine(fromUtf8(subject)) || id.slice(0, 12),
      ...(commit.author === undefined ? {} : { author: oneLine(fromUtf8(commit.author)) }),
      file,
    }));
    return { mails: [], plain, passedOver, notes };
  }
  refuseOther(text, file);
  const isDiff = parseDiff(text).length > 0;
  const subject = oneLine(basename(file));
  return {
    mails: [],
    plain: isDiff ? [{ subject, file, diff: text, diffLine: 1 }] : [],
    passedOver: [],
    notes: [],
  };
}

/** True when the lines above a commit are not a mail's header. git's own `warning: ...` has the form of a header field. */
function hasOnlyWords(above: readonly string[] | undefined): boolean {
  return above?.every((line) => !/^(?:From|Subject|Description)[: ]/i.test(line)) === true;
}

function moved(mail: Mail, lines: number): Mail {
  return mail.diffLine === undefined || lines === 0
    ? mail
    : { ...mail, diffLine: mail.diffLine + lines };
}

/**
 * Removes a byte order mark, which editors of other systems write, and decodes UTF-16, in which PowerShell writes
 * everything.
 */
function withoutByteOrderMark(bytes: Buffer): Buffer {
  const magic = bytes.toString('hex', 0, 3);
  if (magic === 'efbbbf') return bytes.subarray(3);
  if (magic.startsWith('fffe')) return Buffer.from(bytes.toString('utf16le', 2), 'utf8');
  if (!magic.startsWith('feff')) return bytes;
  const even = bytes.subarray(2, bytes.length - (bytes.length % 2));
  return Buffer.from(Buffer.from(even).swap16().toString('utf16le'), 'utf8');
}

/** The line before a mail in an mbox, with a time and a year, as git recognises such a line (mailsplit.c, is_from_line()). */
const fromLine = /^From \S.*\d{1,2}:\d{2}.* \d{4}/;

/**
 * Cuts off text before the first mail of an mbox, unless a diff or commit is in that text. The mail must begin within the first
 * 64 KiB. `skippedLines` is the number of lines that were cut off.
 */
function atFirstMail(bytes: Buffer): { readonly bytes: Buffer; readonly skippedLines: number } {
  const unchanged = { bytes, skippedLines: 0 };
  if (looksLikeMail(bytes)) return unchanged;
  const text = bytes.toString('latin1', 0, 64 * 1024);
  const at = text.split('\n').findIndex((line) => fromLine.test(line));
  if (at < 0) return unchanged;
  const before = text.split('\n').slice(0, at);
  if (before.some((line) => /^(?:diff |--- |commit [0-9a-f]{7})/.test(line))) return unchanged;
  const length = before.reduce((sum, line) => sum + line.length + 1, 0);
  return { bytes: bytes.subarray(length), skippedLines: at };
}

/** True when a file looks like mail: an mbox starts with `From `, a mail or a quilt patch with a header field (RFC 5322, 2.2). */
function looksLikeMail(bytes: Buffer): boolean {
  const head = bytes.toString('latin1', 0, 1024).trimStart();
  return /^(?:From |[A-Za-z][A-Za-z-]*:[ \t])/.test(head) && !head.startsWith('Index: ');
}

/** The first bytes, in hex, of containers that splat does not read. Each has its name and the advice for the user. */
const containers = [
  { magic: '504b0304', name: 'a zip archive', next: 'unpack it, or give a tar archive' },
  { magic: '377abcaf', name: 'a 7z archive', next: 'unpack it, or give a tar archive' },
  { magic: '52617221', name: 'a rar archive', next: 'unpack it, or give a tar archive' },
  ...[
    { magic: '04224d18', program: 'lz4' },
    { magic: '4c5a4950', program: 'lzip' },
    { magic: '5d000080', program: 'lzma' },
    { magic: '1f9d', program: 'compress' },
  ].map(({ magic, program }) => ({
    magic,
    name: `compressed with ${program}`,
    next: 'unpack it, or compress it with gzip, xz, bzip2 or zstd',
  })),
  {
    magic: Buffer.from('# v').toString('hex'),
    rest: /^# v\d git bundle\n/,
    name: 'a git bundle',
    next: 'fetch it into a git tree (git fetch FILE REF), and give DIR@A..B',
  },
] as const;

/** Refuses archives and compressed files that splat does not read. Patches may stand in them as plain text. */
function refuseBinary(bytes: Buffer, file: string): void {
  const [hex, head] = [bytes.toString('hex', 0, 4), bytes.toString('latin1', 0, 64)];
  const found = containers.find(
    (one) => hex.startsWith(one.magic) && (!('rest' in one) || one.rest.test(head)),
  );
  if (found === undefined) return;
  throw new HarnessError('usage', `${file} is ${found.name}; ${found.next}`);
}

/** True for output of git with the colour codes of a terminal in front of its lines. */
function hasColours(text: string): boolean {
  return text.split('\n').some((line) => {
    return line.startsWith('\u001b[') && /^.\[[\d;]*m(?:commit|diff) /.test(line);
  });
}

function refuseOther(text: string, file: string): void {
  const head = text.slice(0, 1024).trimStart();
  if (/^diff --(?:cc|combined) /m.test(text)) {
    const next = 'give DIR@A..B, or the diff to one parent of the merge';
    throw new HarnessError('usage', `${file} has the combined diff of a merge; ${next}`);
  }
  const isPage = /^(?:<!doctype html|<html|<\?xml)/i.test(head);
  if (isPage) {
    const next = 'give the mbox: for lore.kernel.org/LIST/ID/ it is at .../ID/t.mbox.gz';
    throw new HarnessError('usage', `${file} is a web page; ${next}`);
  }
  if (hasColours(text)) {
    throw new HarnessError(
      'usage',
      `${file} has colour codes of a terminal; make it with git --no-color`,
    );
  }
  if (/^[*|][ *|\\/]*(?:commit )?[0-9a-f]{7,64}\b/.test(head)) {
    throw new HarnessError(
      'usage',
      `${file} is the output of git log --graph; make it without --graph`,
    );
  }
}

function withUnixLines(text: string): string {
  const ends = text.match(/\n/g)?.length ?? 0;
  return ends > 0 && text.match(/\r\n/g)?.length === ends ? text.replaceAll('\r\n', '\n') : text;
}

function fromUtf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
