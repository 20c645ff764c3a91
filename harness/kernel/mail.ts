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
  /** The diff, one character per byte; empty when there is none. */
  readonly diff: string;
}

/** What the brackets of a subject say: `Re: [RFC PATCH v2 3/7] mm: x`. */
export interface SubjectTag {
  readonly reply: boolean;
  readonly version: number;
  readonly index: number | undefined;
  readonly total: number | undefined;
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
  const subject = /^Subject: (.*)$/m.exec(end.stdout)?.[1] ?? '';
  const head = raw.toString('latin1').split(/\r?\n\r?\n/, 1)[0] ?? '';
  const diff = end.exitCode === 0 ? await readFile(patch, 'latin1').catch(() => '') : '';
  return {
    ...parseSubject(subject),
    messageId: /^message-id:\s*<([^<>\s]+)>/im.exec(head)?.[1],
    diff,
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

/**
 * The patches of a thread in the order they are applied: replies with a diff in them are dropped, of several versions the
 * newest stays, and when all are numbered the numbers decide (archives store mails as they arrived).
 */
export function orderMails(mails: readonly Mail[]): readonly Mail[] {
  const posted = mails.filter((mail) => !mail.tag.reply);
  const newest = Math.max(1, ...posted.map((mail) => mail.tag.version));
  const current = posted.filter((mail) => mail.tag.version === newest);
  const total = current[0]?.tag.total;
  const numbered = current.every(
    (mail) => mail.tag.index !== undefined && mail.tag.total === total,
  );
  const distinct = new Set(current.map((mail) => mail.tag.index)).size === current.length;
  if (!numbered || !distinct) return current;
  return current.toSorted((a, b) => (a.tag.index ?? 0) - (b.tag.index ?? 0));
}
