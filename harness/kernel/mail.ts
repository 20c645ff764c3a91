import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGit } from './git.ts';

/** One mail that may hold a patch. */
export interface Mail {
  /** Without its `[PATCH v2 3/7]`. */
  readonly subject: string;
  readonly tag: SubjectTag;
  readonly messageId: string | undefined;
  /** Message-ID of the mail it answers. */
  readonly inReplyTo?: string;
  /** `Name <address>` of who wrote the patch: of a `From:` line in its text, else of the mail. */
  readonly author?: string;
  /** What it says before the diff. */
  readonly text?: string;
  /** The diff and what follows it, one character per byte; empty when there is none. */
  readonly diff: string;
}

/** What the brackets of a subject say: `Re: [RFC PATCH v2 3/7] mm: x`. */
export interface SubjectTag {
  readonly reply: boolean;
  readonly version: number;
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
  const patch = `${file}.patch`;
  const end = await runGit(['mailinfo', '-k', `${file}.text`, patch], {
    signal,
    cwd: dir,
    input: raw,
    okCodes: [0, 1, 128],
  });
  const field = (name: string): string =>
    new RegExp(`^${name}: (.*)$`, 'm').exec(end.stdout)?.[1] ?? '';
  const head = raw.toString('latin1').split(/\r?\n\r?\n/, 1)[0] ?? '';
  const idOf = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*<([^<>\\s]+)>`, 'im').exec(head)?.[1];
  const inReplyTo = idOf('in-reply-to');
  const isPatch = end.exitCode === 0;
  const read = async (path: string): Promise<string> =>
    isPatch ? await readFile(path, 'latin1').catch(() => '') : '';
  return {
    ...parseSubject(field('Subject')),
    messageId: idOf('message-id'),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    author: `${field('Author')} <${field('Email')}>`,
    text: await read(`${file}.text`),
    diff: await read(patch),
  };
}

/** Takes a subject such as `Re: [RFC PATCH v2 3/7] mm: unmap less` apart. */
export function parseSubject(text: string): { readonly subject: string; readonly tag: SubjectTag } {
  const match = /^((?:re|aw|fwd?): *)*((?:\[[^\]]*\] *)*)(.*)$/is.exec(text.trim());
  const brackets = match?.[2] ?? '';
  const place = /(?:^|[\s[])(\d+)\/(\d+)\]/.exec(brackets);
  return {
    subject: match?.[3] ?? text,
    tag: {
      reply: match?.[1] !== undefined,
      version: Number(/\bv(\d+)\b/i.exec(brackets)?.[1] ?? 1),
      index: place?.[1] === undefined ? undefined : Number(place[1]),
      total: place?.[2] === undefined ? undefined : Number(place[2]),
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
