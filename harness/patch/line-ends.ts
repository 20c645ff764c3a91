import { endOfHeaders } from './mail-headers.ts';

/** Tells the line ends of the wire (CRLF) from the line ends of the patched files. Pure. */

/**
 * Returns a mail without the CR that mail transport puts before every LF (RFC 5322, 2.3). A mail has these line ends when each
 * field of its header, or each header line of its diff, ends in CRLF. In any other mail, a CR belongs to a patched file and stays:
 * git format-patch writes such mails.
 */
export function withoutWireEnds(raw: string): string {
  if (!raw.includes('\r\n')) return raw;
  const fields = raw.slice(0, endOfHeaders(raw)).split('\n').slice(0, -1);
  const own = fields.filter((line) => !/^>?From /.test(line));
  const isWire = own.length > 0 && own.every((line) => line.endsWith('\r'));
  return isWire || hasWireLineEnds(raw) ? raw.replaceAll('\r\n', '\n') : raw;
}

/**
 * True when a diff has the line ends of the wire: base64 and quoted-printable text is sent with CRLF (RFC 2045, 6.7 and 6.8). The
 * header lines `diff`, `---` and `+++` decide: no program ends them with a CR, whatever line ends the patched files have.
 */
export function hasWireLineEnds(diff: string): boolean {
  const heads = diff.split('\n').filter((line) => /^(?:diff |--- |\+\+\+ )/.test(line));
  return heads.length > 0 && heads.every((line) => line.endsWith('\r'));
}
