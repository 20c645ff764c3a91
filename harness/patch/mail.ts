import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGit } from '../host/git.ts';

/** One mail that may hold a patch. */
export interface Mail {
  /** Without its `[PATCH v2 3/7]`. */
  readonly subject: string;
  /** With it, decoded and on one line. */
  readonly subjectLine: string;
  readonly tag: SubjectTag;
  readonly messageId: string | undefined;
  /** Message-ID of the mail it answers. */
  readonly inReplyTo?: string;
  /** `Name <address>` of who wrote the patch: of a `From:` line in its text, else of the mail. Absent: it does not say. */
  readonly author?: string;
  /** Of its Date header, as Date.now() counts. */
  readonly sentAtMs?: number;
  /** What it says before the diff. */
  readonly text?: string;
  /** The diff and what follows it, one character per byte; empty when there is none. */
  readonly diff: string;
}

/** What the brackets of a subject say: `Re: [RFC PATCH v2 3/7] mm: x`. */
export interface SubjectTag {
  readonly reply: boolean;
  readonly rfc: boolean;
  readonly version: number;
  /** 0 is a cover letter. */
  readonly index: number | undefined;
  readonly total: number | undefined;
}

/** What git format-patch --base notes below a cover letter or a first patch (git-format-patch(1), "Base tree information"). */
export interface Trailers {
  readonly baseCommit?: string;
  /** Patch ids, as of git patch-id --stable. */
  readonly prerequisites: readonly string[];
}

/** Splits an mbox (or one mail) and decodes each, with git's own tools: MIME, quoted-printable and CRLF are theirs. */
export async function readMails(bytes: Uint8Array, signal: AbortSignal): Promise<readonly Mail[]> {
  const dir = await mkdtemp(join(tmpdir(), 'splat-mail-'));
  try {
    const mbox = join(dir, 'mbox');
    await writeFile(mbox, bytes);
    await runGit(['mailsplit', '-b', `-o${dir}`, mbox], { signal, cwd: dir });
    const numbers = (await readdir(dir)).filter((name) => /^\d+$/.test(name)).toSorted();
    const mails: Mail[] = [];
    for (const number of numbers) mails.push(await decodeMail(join(dir, number), dir, signal));
    return mails;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function decodeMail(file: string, dir: string, signal: AbortSignal): Promise<Mail> {
  const raw = await readFile(file);
  const parts = await runMailinfo(raw, file, { dir, signal });
  const field = (name: string): string =>
    new RegExp(`^${name}: (.*)$`, 'm').exec(parts.info)?.[1] ?? '';
  const head = raw.toString('latin1').split(/\r?\n\r?\n/, 1)[0] ?? '';
  const idOf = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*<([^<>\\s]+)>`, 'im').exec(head)?.[1];
  const inReplyTo = idOf('in-reply-to');
  const sentAtMs = Date.parse(field('Date'));
  return {
    ...parseSubject(field('Subject')),
    subjectLine: field('Subject'),
    messageId: idOf('message-id'),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    ...(field('Email') === '' ? {} : { author: `${field('Author')} <${field('Email')}>` }),
    ...(Number.isNaN(sentAtMs) ? {} : { sentAtMs }),
    text: parts.text,
    diff: parts.diff,
  };
}

/** What git mailinfo makes of a mail: its headers, a line each, its text and its diff. */
interface MailParts {
  readonly info: string;
  readonly text: string;
  readonly diff: string;
}

async function runMailinfo(
  raw: Buffer,
  file: string,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<MailParts> {
  const patch = `${file}.patch`;
  const run = async (...flags: readonly string[]): Promise<MailParts | undefined> => {
    const end = await runGit(['mailinfo', '-k', ...flags, `${file}.text`, patch], {
      signal,
      cwd: dir,
      input: raw,
      okCodes: [0, 1, 128],
    });
    if (end.exitCode !== 0) return undefined;
    return {
      info: end.stdout,
      text: await readBytes(`${file}.text`),
      diff: await readBytes(patch),
    };
  };
  // -n: text in a charset that iconv does not know stays as it is.
  for (const flags of [[], ['-n']]) {
    const parts = await run(...flags);
    if (parts === undefined) continue;
    const isWire = hasWireLineEnds(parts.diff);
    return isWire ? ((await run(...flags, '--quoted-cr=strip')) ?? parts) : parts;
  }
  return { info: '', text: '', diff: '' };
}

/** One character per byte; empty when there is no such file. */
async function readBytes(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}

/**
 * True when a decoded diff has the line ends of the wire: text in base64 or quoted-printable is sent with CRLF (RFC 2045,
 * 6.7 and 6.8). No program writes a CR at the end of these lines, whatever the lines of the files end in.
 */
function hasWireLineEnds(diff: string): boolean {
  const heads = diff.split('\n').filter((line) => /^(?:diff |--- |\+\+\+ )/.test(line));
  return heads.length > 0 && heads.every((line) => line.endsWith('\r'));
}

/** The words of one bracket or of several: `[RFC] [PATCH v2,3/7]`. */
const betweenWords = /[\s,()[\]]+/;
/** `v2`, `PATCHv2`, `RFC-PATCH-v2`; only then `v2.1` and `v2-RESEND`, for `v6.1` may be the kernel it is for. */
const versionWords = [
  /^(?:(?:PATCH|RFC|RESEND)[-_/]?)*v(\d+)$/i,
  /^(?:(?:PATCH|RFC|RESEND)[-_/]?)*v(\d+)[-_.]/i,
];
/** No series has more patches: a larger number is something else. */
const largestTotal = 9999;

/** Takes a subject such as `Re: [RFC PATCH v2 3/7] mm: unmap less` apart. */
export function parseSubject(text: string): { readonly subject: string; readonly tag: SubjectTag } {
  const match = /^((?:re|aw|fwd?): *)*((?:\[[^\]]*\] *)*)(.*)$/is.exec(text.trim());
  const words = (match?.[2] ?? '').split(betweenWords);
  const find = (pattern: RegExp): RegExpExecArray | undefined =>
    words.map((word) => pattern.exec(word)).find((found) => found !== null) ?? undefined;
  const version = versionWords.map(find).find((found) => found !== undefined)?.[1];
  const [, index, total] = find(/^(\d+)\/(\d+)$/) ?? [];
  const isPlace = Math.max(Number(index), Number(total)) <= largestTotal;
  return {
    subject: match?.[3] ?? text,
    tag: {
      reply: match?.[1] !== undefined,
      rfc: find(/(?:^|[^a-z])RFC(?:$|[^a-z]|PATCH|v\d)/i) !== undefined,
      version: Number(version ?? 1),
      index: isPlace ? Number(index) : undefined,
      total: isPlace ? Number(total) : undefined,
    },
  };
}

/** The base a series says it was made for; quoted lines (`> base-commit:`) are somebody else's. */
export function readTrailers(mails: readonly Mail[]): Trailers {
  const lines = mails.flatMap(({ text, diff }) => `${text ?? ''}\n${diff}`.split('\n'));
  const values = (name: string): readonly string[] =>
    lines.flatMap((line) => {
      const value = new RegExp(`^${name}: ([0-9a-f]{40,64})\\s*$`).exec(line)?.[1];
      return value === undefined ? [] : [value];
    });
  const [baseCommit] = values('base-commit');
  return {
    ...(baseCommit === undefined ? {} : { baseCommit }),
    prerequisites: [...new Set(values('prerequisite-patch-id'))],
  };
}
