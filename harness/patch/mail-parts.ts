import { boundaryOf, endOfHeaders, readHeaders } from './mail-headers.ts';
import { fromLine } from './mbox.ts';

/** A mail that holds further mails as its parts. */
export interface Wrapper {
  /** The mail without the parts that are mails. */
  readonly outer: string;
  /** An mbox of the mails that were parts, in order. */
  readonly inner: string;
}

/** A part of a multipart mail (RFC 2046, 5.1). */
interface MailPart {
  /** The positions in the mail at which the part, with its header, begins (`from`) and ends. */
  readonly from: number;
  readonly to: number;
  readonly type: string;
  /** The Content-Type field as the part has it. An empty string when the part has no such field. */
  readonly typeField: string;
  /** The content, decoded, one character per byte. */
  readonly content: string;
}

/**
 * Takes the mails out of a mail: forwarded mails, the mails of a digest, and attached files of git format-patch when there are
 * several. git mailinfo would read all of them as one patch. Returns undefined for a mail that holds no further mails. Pure.
 */
export function unwrapMail(raw: string): Wrapper | undefined {
  if (!/^content-type:/im.test(raw.slice(0, 64 * 1024))) return undefined;
  const parts = partsOf(raw, 0, raw.length, 0);
  const forwarded = parts.filter(({ type }) => type.startsWith('message/rfc822'));
  const attached = parts.filter(({ content }) => isAttachedMail(content));
  const mails = forwarded.length > 0 ? forwarded : attached;
  if (mails.length === 0 || (forwarded.length === 0 && countMails(attached) < 2)) return undefined;
  let outer = '';
  let copied = 0;
  for (const { from, to } of mails) {
    outer += raw.slice(copied, from);
    copied = to;
  }
  const inner = mails.map(({ content }) =>
    /^>?From \S/.test(content) ? content : `${fromLine}\n${content}`,
  );
  return { outer: outer + raw.slice(copied), inner: `${inner.join('\n\n')}\n` };
}

/**
 * Returns the mail with each diff only once, because git mailinfo joins the parts of a mail. Two kinds of parts are cut: the HTML
 * form of a text, and a diff in a text that a later part repeats, apart from white space. The later diff is kept, because people
 * attach a diff that their mail program damages in a text. Pure.
 */
export function withoutRepeats(raw: string): string {
  if (!/^content-type:\s*multipart\//im.test(raw.slice(0, 64 * 1024))) return raw;
  const parts = partsOf(raw, 0, raw.length, 0);
  const hasText = parts.some((part) => part.type === '' || part.type.startsWith('text/plain'));
  const diffs = parts.map((part) => (isHtml(part) ? undefined : diffIn(part.content)));
  const last = new Map(diffs.map((diff, at) => [diff?.bare, at]));
  let text = '';
  let copied = 0;
  for (const [at, part] of parts.entries()) {
    const diff = diffs[at];
    const again = diff !== undefined && last.get(diff.bare) !== at;
    if (!again && !(hasText && isHtml(part))) continue;
    text += raw.slice(copied, part.from);
    if (again) {
      const type = part.typeField === '' ? 'text/plain' : part.typeField;
      const above = part.content.slice(0, diff.from);
      text += `Content-Type: ${type}\nContent-Transfer-Encoding: 8bit\n\n${above}`;
    } else text += 'Content-Type: text/plain\n\n\n';
    copied = part.to;
  }
  return text + raw.slice(copied);
}

function isHtml({ type }: MailPart): boolean {
  return type.startsWith('text/html');
}

/**
 * The place of the diff in a text, and the diff without white space and without the signature below. Undefined for a text without
 * a diff.
 */
function diffIn(text: string): { readonly from: number; readonly bare: string } | undefined {
  const from = text.search(/^(?:diff -|Index: |--- \S)/m);
  if (from < 0 || !/^@@ -/m.test(text.slice(from))) return undefined;
  const diff = text.slice(from).split(/^-- ?\r?$/m)[0] ?? '';
  return { from, bare: diff.replaceAll(/\s+/g, '') };
}

/** The lines around a text that PGP signed in clear (RFC 9580, 7). */
const signed = {
  above: '-----BEGIN PGP SIGNED MESSAGE-----',
  below: '-----BEGIN PGP SIGNATURE-----',
};

/**
 * Returns a mail without the `- ` that PGP puts before a line of a signed text when the line begins with a dash. All lines keep
 * their numbers.
 */
export function withoutDashEscapes(raw: string): string {
  const from = raw.indexOf(`\n${signed.above}`);
  const to = from < 0 ? -1 : raw.indexOf(`\n${signed.below}`, from);
  if (to < 0) return raw;
  return raw.slice(0, from) + raw.slice(from, to).replaceAll('\n- ', '\n') + raw.slice(to);
}

/** The first line of a patch of git format-patch. */
const formatPatchLine = /^From [0-9a-f]{40,64} /gm;

/** True for what git format-patch writes: a line with the id of the commit, then the header of a mail. */
function isAttachedMail(content: string): boolean {
  return /^\s*From [0-9a-f]{40,64} .*\r?\n(?:From|Date|Subject): /.test(content.slice(0, 1000));
}

function countMails(parts: readonly MailPart[]): number {
  return parts.reduce((sum, { content }) => sum + (content.match(formatPatchLine)?.length ?? 0), 0);
}

/** The deepest nesting of multipart bodies that is read. */
const deepest = 8;

/** All parts of the multipart mail (or part) between two positions. An inner multipart part is replaced by its own parts. */
function partsOf(mail: string, from: number, to: number, depth: number): readonly MailPart[] {
  const whole = mail.slice(from, to);
  const body = endOfHeaders(whole);
  const type = readHeaders(whole.slice(0, body)).raw('content-type');
  const boundary = boundaryOf(type);
  if (boundary === undefined || depth >= deepest) return [];
  const isDigest = /^multipart\/digest/i.test(type);
  return spans(mail, { from: from + body, to, boundary }).flatMap((span) => {
    const nested = partsOf(mail, span.from, span.to, depth + 1);
    return nested.length > 0 ? nested : [readPart(mail, span, isDigest)];
  });
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The parts between the lines `--boundary`. The last part ends at `--boundary--` or, in a mail that was cut, at the end of
 * the mail.
 */
function spans(mail: string, body: Span & { readonly boundary: string }): readonly Span[] {
  const { to, boundary } = body;
  const found: Span[] = [];
  const line = `\n--${boundary}`;
  let start: number | undefined;
  for (
    let at = mail.indexOf(line, body.from - 1);
    at >= 0 && at < to;
    at = mail.indexOf(line, at + 1)
  ) {
    const end = at + line.length;
    if (!/^(?:--)?[ \t]*(?:\r?\n|$)/.test(mail.slice(end, end + 100))) continue;
    if (start !== undefined) found.push({ from: start, to: at + 1 });
    start = mail.startsWith('--', end) ? undefined : mail.indexOf('\n', end) + 1 || to;
  }
  return start === undefined ? found : [...found, { from: start, to }];
}

function readPart(mail: string, { from, to }: Span, isDigest: boolean): MailPart {
  const whole = mail.slice(from, to);
  const body = endOfHeaders(whole);
  const { raw } = readHeaders(whole.slice(0, body));
  const content = whole.slice(body).replace(/^\r?\n/, '');
  const type = raw('content-type').toLowerCase() || (isDigest ? 'message/rfc822' : '');
  const encoding = raw('content-transfer-encoding').trim().toLowerCase();
  return { from, to, type, typeField: raw('content-type'), content: decode(content, encoding) };
}

function decode(content: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(content, 'base64').toString('latin1');
  if (encoding !== 'quoted-printable') return content;
  return content
    .replaceAll(/[ \t]*\r?$/gm, '')
    .replaceAll(/=\n/g, '')
    .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
}
