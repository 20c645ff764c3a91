import { boundaryOf, endOfHeaders, readHeaders } from './mail-headers.ts';

/** Makes an mbox that git mailsplit splits wholly. Pure. */

/** A line that marks the beginning of a mail in an mbox, as public archives write it. */
export const fromLine = 'From mboxrd@z Thu Jan  1 00:00:00 1970';

/** A line before a mail, in any spelling. A header field must stand below the line. */
const anyFromLine = /^From \S[^\n]*(?=\n[!-9;-~]+:)/gm;

/** A byte order mark before a further mail: `cat` keeps the mark of each file. */
const inner = /^\u00ef\u00bb\u00bf(?=From )/gm;

/** The fields that the header of every delivered mail has. */
const delivered = ['from', 'date', 'subject', 'message-id'] as const;

/** An mbox that git mailsplit splits into its mails. */
interface Marked {
  readonly bytes: Buffer;
  /** The number of lines that were put before the first mail. All other lines keep their numbers. */
  readonly added: number;
}

/**
 * Returns the same mails, each below a line by which git mailsplit recognises a mail. Google Takeout and other programs write lines
 * that mailsplit does not recognise, such as `From 1787@xxx Mon Jan 01 10:02:00 +0000 2024` (mailsplit.c, is_from_line()). Such
 * lines are added to mails that were put together without them (`cat *.eml`, a digest in plain text): a mail begins where all
 * fields of a delivered mail stand below an empty line.
 */
export function markMails(bytes: Buffer): Marked {
  const text = bytes.toString('latin1');
  const clean = text.replaceAll(inner, '');
  const known = clean.replaceAll(anyFromLine, (line, at: number) =>
    isBelowEmptyLine(clean, at) && isDated(line) ? fromLine : line,
  );
  const marked = markGlued(known);
  const added = marked !== known && !known.startsWith('From ') ? 1 : 0;
  const first = added === 1 ? `${fromLine}\n` : '';
  return { bytes: marked === text ? bytes : Buffer.from(first + marked, 'latin1'), added };
}

function isBelowEmptyLine(text: string, at: number): boolean {
  return at === 0 || /\n\r?\n$/.test(text.slice(Math.max(0, at - 3), at));
}

/** True for a line that contains a date and a time. */
function isDated(line: string): boolean {
  const start = line.slice(0, 300);
  const year = /\b(?:19|20)\d\d\b/;
  const month = /\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b|\d-\d\d-\d/;
  return /\d:\d\d/.test(start) && year.test(start) && month.test(start);
}

/** Replaces the empty line before a mail by `fromLine`, where such a line is missing. */
function markGlued(text: string): string {
  const places: number[] = [];
  let empty: number | undefined;
  // The line behind the last part of a multipart mail. The parts are skipped here, because mail-parts.ts reads them.
  let closing: string | undefined;
  for (let at = 0; at < text.length; ) {
    let end = endOfLine(text, at);
    const line = text.slice(at, end);
    const isMarked = line.startsWith('From ') && isDated(line);
    if (isMarked || at === 0) {
      const head = readHead(text, isMarked ? end : at);
      closing = head.closing;
      end = Math.max(end, head.end);
    } else if (empty !== undefined && closing === undefined) {
      const head = readHead(text, at);
      if (head.isDelivered) {
        places.push(empty);
        closing = head.closing;
      }
      end = Math.max(end, head.end);
    }
    if (closing !== undefined && line.startsWith(closing)) closing = undefined;
    const isEmpty = line === '\n' || line === '\r\n';
    empty = isEmpty && end === at + line.length ? at : undefined;
    at = end;
  }
  const starts = [0, ...places];
  return starts.map((from, which) => text.slice(from, starts[which + 1])).join(fromLine);
}

function endOfLine(text: string, at: number): number {
  return text.indexOf('\n', at) + 1 || text.length;
}

function readHead(text: string, at: number) {
  const end = at + endOfHeaders(text.slice(at));
  const head = text.slice(at, end);
  if (!/^(?:message-id|content-type):/im.test(head)) return { end, isDelivered: false };
  const { raw } = readHeaders(head);
  const boundary = boundaryOf(raw('content-type'));
  return {
    end,
    isDelivered: delivered.every((name) => raw(name) !== ''),
    ...(boundary === undefined ? {} : { closing: `--${boundary}--` }),
  };
}
