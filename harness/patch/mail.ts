import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readIfThere } from '../host/disk.ts';
import { runGit } from '../host/git.ts';
import { hasWireLineEnds, withoutWireEnds } from './line-ends.ts';
import { endOfHeaders, type Headers, messageIds, readHeaders } from './mail-headers.ts';
import { unwrapMail, withoutDashEscapes, withoutRepeats } from './mail-parts.ts';
import { markMails } from './mbox.ts';
import { readSender, type Sender } from './sender.ts';
import { parseSubject, type SubjectTag } from './subject.ts';

/** One mail that may hold a patch. */
export interface Mail extends Sender {
  /** The subject without a prefix such as `[PATCH v2 3/7]`. */
  readonly subject: string;
  /** The whole subject line, decoded, on one line. */
  readonly subjectLine: string;
  readonly tag: SubjectTag;
  readonly messageId: string | undefined;
  /**
   * The Message-ID of the mail that this mail answers: from In-Reply-To, or else the last Message-ID in References. Absent when the
   * mail answers no mail.
   */
  readonly inReplyTo?: string;
  /** Message-IDs of the mails above this mail in the thread, from References. Absent when the mail has no References. */
  readonly references?: readonly string[];
  /**
   * The author of the patch, `Name <address>`: from a `From:` line in the text, or else from the header. Absent when the mail names
   * no author.
   */
  readonly author?: string;
  /** The time of the mail's Date header, in milliseconds since 1970. Absent when no date can be read. */
  readonly sentAtMs?: number;
  /** The text before the diff. */
  readonly text?: string;
  /** The diff and the text after it, one character per byte; empty when there is no diff. */
  readonly diff: string;
  /** Path of the file that holds the mail. */
  readonly file?: string;
  /** Line of `file`, from 1, at which the diff begins. Absent when the mail is encoded or has no diff. */
  readonly diffLine?: number;
}

/**
 * The lines that git format-patch --base writes below a cover letter or a first patch (git-format-patch(1), "Base
 * tree information").
 */
export interface Trailers {
  readonly baseCommit?: string;
  /** Ids of the patches that the series builds on, as `git patch-id --stable` makes them. */
  readonly prerequisites: readonly string[];
}

/** The number of mails that are decoded at a time. */
const parallelDecodes = 4;

/** The deepest nesting of mails in mails that is read. */
const deepest = 4;

/**
 * Splits an mbox (or one mail) with git and decodes each mail. git decodes MIME, quoted-printable and charsets. A mail in 7bit or
 * 8bit (RFC 2045, 6.2) needs no decoding and is read without git. The mails that are parts of a mail stand behind that mail
 * (unwrapMail()). `file` is the path of the mbox and becomes the `file` of every mail.
 */
export async function readMails(
  bytes: Buffer,
  signal: AbortSignal,
  file?: string,
  depth = 0,
): Promise<readonly Mail[]> {
  const dir = await mkdtemp(join(tmpdir(), 'splat-mail-'));
  try {
    const mbox = join(dir, 'mbox');
    const marked = markMails(bytes);
    await writeFile(mbox, marked.bytes);
    await runGit(['mailsplit', '-b', '-d8', '--keep-cr', `-o${dir}`, mbox], { signal, cwd: dir });
    const numbers = (await readdir(dir)).filter((name) => /^\d+$/.test(name)).toSorted();
    const mails: Mail[] = [];
    let line = 1 - marked.added;
    for (let at = 0; at < numbers.length; at += parallelDecodes) {
      const some = numbers.slice(at, at + parallelDecodes).map((number) => join(dir, number));
      const raws = await Promise.all(some.map(async (name) => readFile(name)));
      const starts = raws.map((raw) => {
        const start = line;
        line += countLines(raw);
        return start;
      });
      const decoded = raws.map(async (raw, which) => {
        const place = { dir, signal, line: starts[which] ?? 1, depth };
        const text = withoutWireEnds(raw.toString('latin1'));
        return decodeAll(Buffer.from(text, 'latin1'), some[which] ?? '', place);
      });
      for (const mail of (await Promise.all(decoded)).flat()) {
        mails.push(file === undefined ? mail : { ...mail, file });
      }
    }
    return mails;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Decodes a mail and the mails that are parts of this mail. A part without a Message-ID counts as an answer to the enclosing mail.
 */
async function decodeAll(raw: Buffer, name: string, place: Place): Promise<readonly Mail[]> {
  const wrapper = place.depth < deepest ? unwrapMail(raw.toString('latin1')) : undefined;
  if (wrapper === undefined) return [await decodeMail(raw, name, place)];
  const outer = await decodeMail(Buffer.from(wrapper.outer, 'latin1'), name, place);
  const bytes = Buffer.from(wrapper.inner, 'latin1');
  const inner = await readMails(bytes, place.signal, undefined, place.depth + 1);
  return [
    outer,
    ...inner.map((mail) =>
      mail.messageId !== undefined || outer.messageId === undefined
        ? mail
        : { ...mail, inReplyTo: outer.messageId },
    ),
  ];
}

function countLines(raw: Buffer): number {
  let count = 0;
  for (let at = raw.indexOf(10); at >= 0; at = raw.indexOf(10, at + 1)) count += 1;
  return count;
}

interface Place {
  readonly dir: string;
  readonly signal: AbortSignal;
  /** The line of the mbox, from 1, at which the mail begins. */
  readonly line: number;
  /** The number of mails that enclose this mail. */
  readonly depth: number;
}

async function decodeMail(bytes: Buffer, file: string, place: Place): Promise<Mail> {
  const raw = bytes.toString('latin1');
  const text = withoutRepeats(withoutDashEscapes(raw));
  const headers = readHeaders(text);
  const parts =
    readPlain(text, headers) ?? (await runMailinfo(Buffer.from(text, 'latin1'), file, place));
  const [messageId] = messageIds(headers.raw('message-id'));
  const references = messageIds(headers.raw('references'));
  const inReplyTo = messageIds(headers.raw('in-reply-to'))[0] ?? references.at(-1);
  // The zone's name may stand in round brackets behind the date.
  const sentAtMs = Date.parse(headers.raw('date').slice(0, 100).split('(')[0] ?? '');
  const subjectLine = headers.text('subject');
  const { subject, tag } = parseSubject(subjectLine);
  const diffLine = lineOfDiff(raw, parts.diff);
  return {
    // A `Subject:` line in the text names the patch. The place in the series comes from the mail's own subject.
    subject: parts.subject === undefined ? subject : parseSubject(parts.subject).subject,
    subjectLine,
    tag: { ...tag, reply: tag.reply || (tag.mayReply && inReplyTo !== undefined) },
    messageId,
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    ...(references.length === 0 ? {} : { references }),
    ...(parts.author === undefined ? {} : { author: parts.author }),
    ...readSender(headers),
    ...(Number.isNaN(sentAtMs) ? {} : { sentAtMs }),
    text: parts.text,
    diff: parts.diff,
    ...(diffLine === undefined || place.depth > 0 ? {} : { diffLine: place.line + diffLine }),
  };
}

/**
 * The number of lines above the diff in the mail, including the lines of the header. Undefined when the mail has no diff or an
 * encoded diff.
 */
function lineOfDiff(raw: string, diff: string): number | undefined {
  if (diff === '') return undefined;
  const at = raw.indexOf(diff.slice(0, 400));
  return at < 0 ? undefined : raw.slice(0, at).split('\n').length - 1;
}

/** The parts of a mail besides its headers. */
interface MailParts {
  readonly author: string | undefined;
  /** The subject in a `Subject:` line of the text. Absent when the text has no such line. */
  readonly subject?: string;
  readonly text: string;
  readonly diff: string;
}

/** The line with which the patch in a mail begins, as git sees it (mailinfo.c, patchbreak()). */
const patchBreak = /^(?:diff -|Index: |---(?:[ \t]*$| [^ \t\n]))/m;
const inBody = /^\s*(?:>?From|Subject|Date):/;
/** A From field with more characters than this names no author. */
const longestFrom = 10_000;
const plainAddress = /^([^"<>(),@]*[^"<>(),@\s])\s+<([^<>\s]+@[^<>\s]+)>$/;

/** Reads a mail that is not encoded. Undefined for a mail that git must decode. */
function readPlain(raw: string, headers: Headers): MailParts | undefined {
  const type = headers.raw('content-type');
  if (!/^(?:7bit|8bit|binary)?$/i.test(headers.raw('content-transfer-encoding').trim()))
    return undefined;
  if (type !== '' && !/^text\/(?:plain|x-patch|x-diff)\s*(?:;|$)/i.test(type)) return undefined;
  if (/format="?flowed/i.test(type)) return undefined;
  if (/charset/i.test(type) && !/charset="?(?:us-ascii|utf-?8)"?/i.test(type)) return undefined;
  const from = headers.text('from');
  const [, name, address] = plainAddress.exec(from) ?? [];
  const body = raw.slice(endOfHeaders(raw)).replace(/^(?:\r?\n)+/, '');
  // git mailinfo reads the other forms of an address; an endless row of brackets ends it with a segmentation fault.
  const isForGit = name === undefined && from.length < longestFrom;
  if (isForGit || inBody.test(body) || raw.includes('\r')) return undefined;
  const at = body.search(patchBreak);
  return {
    author: name === undefined ? undefined : `${name} <${address}>`,
    text: at < 0 ? body : body.slice(0, at),
    diff: at < 0 ? '' : body.slice(at),
  };
}

async function runMailinfo(raw: Buffer, file: string, { dir, signal }: Place): Promise<MailParts> {
  const patch = `${file}.patch`;
  const run = async (...flags: readonly string[]): Promise<MailParts | undefined> => {
    const end = await runGit(['mailinfo', '-k', ...flags, `${file}.text`, patch], {
      signal,
      cwd: dir,
      input: raw,
      okCodes: [0, 1, 128],
    });
    if (end.exitCode !== 0) return undefined;
    const field = (name: string): string =>
      new RegExp(`^${name}: (.*)$`, 'm').exec(end.stdout)?.[1] ?? '';
    const subject = field('Subject');
    const outside = readHeaders(raw.toString('latin1')).text('subject');
    return {
      author: field('Email') === '' ? undefined : `${field('Author')} <${field('Email')}>`,
      ...(subject === '' || subject === outside ? {} : { subject }),
      text: await readBytes(`${file}.text`),
      diff: await readBytes(patch),
    };
  };
  // -n leaves text in a charset unknown to iconv unchanged.
  for (const flags of [[], ['-n']]) {
    const parts = await run(...flags);
    if (parts === undefined) continue;
    const isWire = hasWireLineEnds(parts.diff);
    return isWire ? ((await run(...flags, '--quoted-cr=strip')) ?? parts) : parts;
  }
  return { author: undefined, text: '', diff: '' };
}

/** Returns the content of a file, one character per byte. Returns an empty string when there is no such file. */
async function readBytes(path: string): Promise<string> {
  return (await readIfThere(readFile(path, 'latin1'))) ?? '';
}

/**
 * Reads the base that the mails of a series name: the first base-commit, and the ids of all prerequisite patches without
 * duplicates. Quoted lines (`> base-commit:`) belong to other mails and are skipped.
 */
export function readTrailers(mails: readonly Pick<Mail, 'text' | 'diff'>[]): Trailers {
  const lines = mails.flatMap(({ text, diff }) => `${text ?? ''}\n${diff}`.split('\n'));
  const values = (pattern: RegExp): readonly string[] =>
    lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
  // People also write the line themselves, with a short id, or with the name of a release behind the id.
  const [baseCommit] = values(/^base-commit:[ \t]+([0-9a-f]{12,64})(?=\s|$)/i);
  return {
    ...(baseCommit === undefined ? {} : { baseCommit }),
    prerequisites: [...new Set(values(/^prerequisite-patch-id: ([0-9a-f]{40,64})\s*$/))],
  };
}
