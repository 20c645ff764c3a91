/** Mails of a thread, and the files of a folder, for tests of what a series is read as. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A mail; without an id it is a file of `git format-patch`. */
export interface Letter {
  readonly subject: string;
  readonly id?: string;
  readonly to?: string;
  readonly from?: string;
  /** Hours after the first mail. */
  readonly at?: number;
  /** The number of the line that is changed, from 1; absent when there is no diff. */
  readonly line?: number;
  readonly text?: string;
  readonly file?: string;
}

/** A diff that changes one line of a file. */
export const change = (file: string, line: number, word = 'changed'): string =>
  `--- a/${file}\n+++ b/${file}\n@@ -${line},1 +${line},1 @@\n-line ${line}\n+${word} ${line}\n`;

/** One mail of an mbox. */
export function letter({
  subject,
  id,
  to,
  from = 'Ann <ann@example.org>',
  at = 0,
  ...rest
}: Letter): string {
  const date = new Date(Date.UTC(2024, 0, 1, 10) + at * 3_600_000).toUTCString();
  const body = rest.line === undefined ? '' : change(rest.file ?? 'mm/pool.c', rest.line);
  return [
    id === undefined
      ? `From ${'1'.repeat(40)} Mon Sep 17 00:00:00 2001`
      : 'From mboxrd@z Thu Jan  1 00:00:00 1970',
    `From: ${from}`,
    `Subject: ${subject}`,
    `Date: ${date}`,
    ...(id === undefined ? [] : [`Message-Id: <${id}@x>`]),
    ...(to === undefined ? [] : [`In-Reply-To: <${to}@x>`, `References: <${to}@x>`]),
    '',
    `${rest.text ?? 'Why.'}\n---\n\n${body}-- \n2.40.0\n\n`,
  ].join('\n');
}

export const mbox = (...letters: readonly Letter[]): string => letters.map(letter).join('');
/** Writes files, and returns their folder. */
export function plant(dir: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}
