import { plain } from './plain.ts';

/** The width of a header line, in columns. RFC 5322, 2.1.1, recommends at most 78 columns. */
const width = 77;
/** The longest permitted line of a mail, in bytes (RFC 5322, 2.1.1). */
const longestLineBytes = 998;
/** The longest permitted encoded word, with its delimiters (RFC 2047, 2). */
const longestEncodedWord = 75;
/** The length of a line in quoted-printable, without the `=` of a soft line break (RFC 2045, 6.7). */
const longestQuotedLine = 75;

/** The address of a person or a list. */
export interface Mailbox {
  /** The display name, unquoted. An empty string when there is no name. */
  readonly name: string;
  readonly address: string;
}

/** Parses `"Huang, Ying" <ying@example.org>` or a bare address. Returns undefined for anything but one address. */
export function parseMailbox(text: string): Mailbox | undefined {
  const line = headerText(text);
  const [, before = '', inside = line] = /^(.*)<([^<>]*)>$/.exec(line) ?? [];
  const address = inside.trim();
  if (!/^[^\s@<>()[\],;:\\"]+@[^\s@<>()[\],;:\\"]+$/.test(address)) return undefined;
  const name = before.trim();
  const quoted = /^"(.*)"$/.exec(name)?.[1];
  return { address, name: quoted?.replaceAll(/\\(.)/g, '$1') ?? name };
}

/**
 * Returns the given name of a person: `Ying` for `Huang, Ying`, `Ada` for `Ada (work)`. Returns the whole name when it begins with
 * an initial, and undefined for an address and for an empty name.
 */
export function givenName(name: string): string | undefined {
  const person = name.replace(/\s+via\s.*$|\s*[([].*$/i, '').replace(/^(['"])(.*)\1$/, '$2');
  if (person.includes('@')) return undefined;
  const [family = '', given] = person.split(/,\s*/);
  const [first = ''] = (given || family).split(' ');
  const isInitial = /^\p{L}\.?$/u.test(first);
  return (isInitial ? person : first) || undefined;
}

/** Returns a header with addresses, folded: `Cc: "Huang, Ying" <ying@example.org>, linux-mm@kvack.org`. */
export function addressHeader(name: string, boxes: readonly Mailbox[]): string {
  const words = boxes.flatMap((box, at) => {
    const own = box.name === '' ? [box.address] : [...phrase(box.name), `<${box.address}>`];
    return own.map((word, place) =>
      place === own.length - 1 && at < boxes.length - 1 ? `${word},` : word,
    );
  });
  return fold(name, words);
}

/** Returns a header with text, folded: `Subject: Re: [PATCH] mm: x`. Text that is not ASCII becomes encoded words (RFC 2047). */
export function textHeader(name: string, text: string): string {
  const words = splitWords(headerText(text));
  const first = words.findIndex(mustEncode);
  if (first < 0) return fold(name, words);
  const end = words.findLastIndex(mustEncode) + 1;
  const encoded = encodeWords(words.slice(first, end).join(' '));
  return fold(name, [...words.slice(0, first), ...encoded, ...words.slice(end)]);
}

/** Returns a header that must stay on one line: `Message-ID: <x@y>`. A character that is not printable ASCII becomes `?`. */
export function plainHeader(name: string, text: string): string {
  return `${name}: ${headerText(text).replaceAll(/[^ -~]/g, '?')}`;
}

/** Returns the header with a date: `Date: Thu, 01 Jan 2026 00:00:00 +0000`. */
export function dateHeader(date: Date): string {
  return `Date: ${date.toUTCString().replace('GMT', '+0000')}`;
}

/** Makes untrusted text safe for a header: no line end in the text can begin another header. */
export function headerText(text: string): string {
  return plain(text).replaceAll('\t', ' ').trim();
}

/** Returns a mail's body with its Content-Transfer-Encoding. The body is encoded only when a line is too long for a mail. */
export function encodeBody(text: string): { readonly encoding: string; readonly body: string } {
  const lines = text.split('\n');
  const isShort = lines.every((line) => Buffer.byteLength(line) <= longestLineBytes);
  if (isShort) return { encoding: '8bit', body: text };
  return { encoding: 'quoted-printable', body: lines.map(quoteLine).join('\n') };
}

/** A display name (RFC 5322, 3.2.5), quoted when the name is not made of atoms. */
function phrase(name: string): readonly string[] {
  if (mustEncode(name)) return encodeWords(name);
  if (/^[\w!#$%&'*+/=?^`{|}~ -]+$/.test(name)) return splitWords(name);
  return [`"${name.replaceAll(/["\\]/g, '\\$&')}"`];
}

/** True for text that is not ASCII, looks like an encoded word, or is too long for a line. */
function mustEncode(text: string): boolean {
  return /[^ -~]|=\?|\S{900}/.test(text);
}

/** The text as encoded words (RFC 2047). A reader joins them without the spaces between them. */
function encodeWords(text: string): readonly string[] {
  const [start, end] = ['=?UTF-8?Q?', '?='];
  const room = longestEncodedWord - start.length - end.length;
  const words: string[] = [];
  let word = '';
  for (const char of text) {
    const unit = char === ' ' ? '_' : quoteBytes(char, /[A-Za-z0-9!*+/-]/);
    if (word.length + unit.length > room) {
      words.push(word);
      word = '';
    }
    word += unit;
  }
  return [...words, word].map((one) => `${start}${one}${end}`);
}

function quoteBytes(char: string, asIs: RegExp): string {
  if (asIs.test(char)) return char;
  const hex = [...Buffer.from(char)].map((byte) => byte.toString(16).padStart(2, '0'));
  return hex.map((digits) => `=${digits.toUpperCase()}`).join('');
}

/** One line in quoted-printable (RFC 2045, 6.7). */
function quoteLine(line: string): string {
  const chars = Array.from(line);
  const rows: string[] = [];
  let row = '';
  for (const [at, char] of chars.entries()) {
    const unit = quoteBytes(char, at === chars.length - 1 ? /[!-<>-~]/ : /[\t !-<>-~]/);
    if (row.length + unit.length > longestQuotedLine) {
      rows.push(row);
      row = '';
    }
    row += unit;
  }
  return [...rows, row].join('=\n');
}

function splitWords(text: string): readonly string[] {
  return text.split(/(?<=\S) (?=\S)/);
}

/** Folds a header; a continued line begins with a space (RFC 5322, 2.2.3). */
function fold(name: string, words: readonly string[]): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const [at, word] of words.entries()) {
    if (at > 0 && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
