/** Reads those parts of a mail's header (RFC 5322) that a thread needs. Pure. */

/** The fields of one mail's header. */
export interface Headers {
  /**
   * Returns the value of the first field with this name, unfolded and not decoded. `name` is in lower case. Returns an empty string
   * when there is no such field.
   */
  readonly raw: (name: string) => string;
  /** Returns the same value decoded (RFC 2047) and on one line. */
  readonly text: (name: string) => string;
}

/** The largest header that is read, in bytes. The header of a delivered mail is never longer. The rest is ignored. */
const longestHeader = 256 * 1024;

/** Reads the header of a mail. `mail` has one character per byte. */
export function readHeaders(mail: string): Headers {
  const fields = new Map<string, string>();
  let last: string | undefined;
  const end = endOfHeaders(mail);
  for (const line of mail.slice(0, Math.min(end, longestHeader)).split('\n')) {
    const text = line.replace(/\r$/, '');
    if (/^[ \t]/.test(text)) {
      if (last !== undefined) fields.set(last, `${fields.get(last) ?? ''} ${text.trim()}`);
      continue;
    }
    const [, name, value = ''] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(text) ?? [];
    const key = name?.toLowerCase();
    last = key === undefined || fields.has(key) ? undefined : key;
    if (last !== undefined) fields.set(last, value);
  }
  const raw = (name: string): string => fields.get(name) ?? '';
  return { raw, text: (name) => decodeWords(raw(name)).replaceAll(/\s+/g, ' ').trim() };
}

/** A header field, or a line that an mbox puts before the fields (git's mailinfo.c, is_rfc2822_header()). */
const headerLine = /^(?:[!-9;-~]+:|>?From )/;

/**
 * Returns the index at which the header of a mail ends: that of the first line that is neither a field nor the continuation of
 * a field. As in git mailinfo, no empty line is needed: a quilt patch may have its `---`, `diff` or `Index:` line right below
 * the fields.
 */
export function endOfHeaders(mail: string): number {
  let at = 0;
  while (at < mail.length) {
    const next = mail.indexOf('\n', at) + 1;
    const line = mail.slice(at, next === 0 ? mail.length : next);
    const isContinued = at > 0 && /^[ \t]/.test(line);
    const beginsDiff = line.startsWith('Index: ') && /^={60}/.test(mail.slice(next, next + 60));
    if (!isContinued && (beginsDiff || !headerLine.test(line))) return at;
    at = next === 0 ? mail.length : next;
  }
  return mail.length;
}

/** Returns the boundary that a Content-Type field names (RFC 2046, 5.1.1). Returns undefined for a mail without parts. */
export function boundaryOf(type: string): string | undefined {
  const [, quoted, plain] =
    /^multipart\/.*?[;\s]boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(
      type.slice(0, 2000),
    ) ?? [];
  return quoted ?? plain;
}

/** Returns every `<id@host>` of a field, in order, without the angle brackets. Only the first 64 KiB of the field are read. */
export function messageIds(field: string): readonly string[] {
  return [...field.slice(0, 64 * 1024).matchAll(/<([^<>\s]{1,998})>/g)].map(([, id = '']) => id);
}

/** An encoded word, such as `=?utf-8?q?Andr=C3=A9?=`. White space between two encoded words is dropped (RFC 2047, 6.2). */
const encodedWord = /=\?([\w-]{1,40})(?:\*[\w-]*)?\?([bq])\?([^?\s]*)\?=/gi;

function decodeWords(field: string): string {
  if (!field.includes('=?')) return decodeBytes(field, 'utf-8');
  let text = '';
  let at = 0;
  let charset = '';
  let bytes = '';
  const flush = (): void => {
    if (bytes !== '') text += decodeBytes(bytes, charset);
    bytes = '';
  };
  for (const match of field.matchAll(encodedWord)) {
    const between = field.slice(at, match.index);
    const [whole, set = '', kind = '', body = ''] = match;
    // Some programs split a character of several bytes between two words.
    if (between.trim() !== '' || at === 0 || set.toLowerCase() !== charset) flush();
    if (between.trim() !== '' || at === 0) text += decodeBytes(between, 'utf-8');
    charset = set.toLowerCase();
    bytes += kind.toLowerCase() === 'b' ? fromBase64(body) : fromQ(body);
    at = match.index + whole.length;
  }
  flush();
  return text + decodeBytes(field.slice(at), 'utf-8');
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1');
}

function fromQ(text: string): string {
  return text
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

/** Decodes bytes in `charset`. When the charset is unknown or the bytes are invalid in it, each byte becomes one character. */
function decodeBytes(latin1: string, charset: string): string {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return latin1;
  }
}
