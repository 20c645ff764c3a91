/** The header of a mail (RFC 5322), as far as a thread is read by it. Pure. */

export interface Headers {
  /** The first field of that name, unfolded, as it is on the wire; empty for none. */
  readonly raw: (name: string) => string;
  /** Decoded (RFC 2047), on one line. */
  readonly text: (name: string) => string;
}

/** Longer than any header of a mail that was delivered: what follows is not looked at. */
const longestHeader = 256 * 1024;

/** `mail` has one character per byte. */
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

/** Where the header of a mail ends: at its first empty line. */
export function endOfHeaders(mail: string): number {
  const at = mail.search(/\r?\n\r?\n/);
  return at < 0 ? mail.length : at;
}

/** Every `<id@host>` of a field, in order. */
export function messageIds(field: string): readonly string[] {
  return [...field.slice(0, 64 * 1024).matchAll(/<([^<>\s]{1,998})>/g)].map(([, id = '']) => id);
}

/** `=?utf-8?q?Andr=C3=A9?=`; white space between two of them is nothing (RFC 2047, 6.2). */
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
    // A character of several bytes may be cut between two words, as some programs do.
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

/** In a charset nobody knows, and where bytes are none of it, one character is one byte. */
function decodeBytes(latin1: string, charset: string): string {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return latin1;
  }
}
