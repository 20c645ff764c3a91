/**
 * Undoes what tools did to the characters of a line: JSON strings, HTML entities, `#011` of rsyslog, and `function (file.c:12)`,
 * which the kernel's scripts/decode_stacktrace.sh prints in place of `function+0x1/0x2`.
 */

/** Matches a line that may contain JSON, HTML or escapes of rsyslog: a cheap check before the expensive ones. */
export const hasMarkup = /\{ ?"|&[a-z#]|#011|<[/bcdlpst][rpoiadr>]/;
/**
 * The text up to the first field of a JSON object. `data: ` of server-sent events, a record separator, or the time and tag of a
 * collector may stand before the object.
 */
const jsonStart = /^[^{"]{0,120}\{ ?"/;

/** Matches the value of a JSON field: a string, or the list of bytes that journald prints for text that is not UTF-8. */
const jsonValue = String.raw`" ?: ?(?:"((?:[^"\\]|\\.)*)"|\[((?: ?\d{1,3},?)+)\])`;
/**
 * The fields of a JSON object that may hold the console's line, as docker, journald, loki, logfmt, GELF and cloud collectors name
 * them. The first field that the object has is taken.
 */
const jsonFields = [
  'log|MESSAGE|message|msg|_raw|text|line|content',
  'textPayload|short_message|full_message|@message|Message|LogMessage|original|stringValue|body|Body|event|data|payload|output',
].map((names) => new RegExp(`"(?:${names})${jsonValue}`));
const jsonEscape = /\\(?:u([0-9a-fA-F]{4})|(.))/g;
const shortEscapes: Readonly<Record<string, string>> = { n: '', r: '', t: '\t', b: '', f: '' };

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
};
const entity = /&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{2,3})|#[xX]([0-9a-fA-F]{2}));/g;
const tags = /<\/?(?:pre|code|br|span|div|td|tr|p|li)\b[^>]{0,200}>/g;

/** Decodes the characters between the quotes of a JSON string to latin1. `\n`, `\r`, `\b` and `\f` are dropped. */
export function fromJsonString(text: string): string {
  return text.replace(jsonEscape, (_, code: string | undefined, letter: string) =>
    code === undefined
      ? (shortEscapes[letter] ?? letter)
      : Buffer.from(String.fromCharCode(Number.parseInt(code, 16))).toString('latin1'),
  );
}

/** The end of a line that is quoted as a list element or as a string in a program: `",`, `\\n"`. */
const closingQuotes: Readonly<Record<string, RegExp>> = {
  '"': /(?:\\r)?(?:\\n)?"[\]),;}]*\s*$/,
  "'": /(?:\\r)?(?:\\n)?'[\]),;}]*\s*$/,
};

/** Returns the text behind a prefix. When the prefix ends in an opening quote, the closing quote is removed. */
export function withoutQuote(prefix: string, text: string): string {
  const closing = closingQuotes[prefix.slice(-1)];
  return closing === undefined ? text : text.replace(closing, '');
}

function fromNumbers(list: string): string {
  return Buffer.from(list.split(',').map(Number)).toString('latin1');
}

function fieldOf(line: string): RegExpExecArray | null {
  for (const field of jsonFields) {
    const found = field.exec(line);
    if (found) return found;
  }
  return null;
}

/**
 * Returns the console's line without its markup. A JSON object gives the text of a field such as `log` or `MESSAGE`; without such a
 * field, the whole line is taken. HTML tags are removed, and entities and `#011` are decoded.
 */
export function withoutMarkup(line: string): string {
  const json = jsonStart.test(line) ? fieldOf(line) : null;
  const text = json
    ? json[1] === undefined
      ? fromNumbers(json[2] ?? '')
      : fromJsonString(json[1])
    : line;
  return text
    .replace(tags, '')
    .replace(entity, (_, name: string | undefined, decimal: string | undefined, hex: string) =>
      name === undefined
        ? String.fromCharCode(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal))
        : (entities[name] ?? ''),
    )
    .replaceAll('#011', '\t');
}

/**
 * A source line, such as `mm/slub.c:12`. When addr2line knows only the file, or nothing, it prints `demo.c:?`, `??:?` or `??:0`.
 */
const place = String.raw`(?:[\w./+-]{1,200}\.(?:[chSs]|rs):(?:\d+(?: \(discriminator \d+\))?|\?)|\?\?:[?0])`;
/**
 * A function with source lines in parentheses. The last source line is of the function itself; the others are of functions that
 * were inlined into it.
 */
const decoded = new RegExp(
  String.raw`(?<![\w.$+])([A-Za-z_$][\w$.]{1,255}) \(((?:${place} ){0,24}${place})\)`,
  'g',
);
/** withSymbols() inserts this behind a function, in place of the offset and size that a decoded frame lost. */
const stands = '+0x0/0x0';

/**
 * Converts a frame that decode_stacktrace.sh decoded, `f (a.h:1 b.c:12)`, to `f+0x0/0x0 (a.h:1 b.c:12)`. The frame then looks
 * like a frame of a log that was never decoded.
 */
export function withSymbols(text: string): string {
  if (!/\.(?:[chSs]|rs):[\d?]|\(\?\?:/.test(text)) return text;
  return text.replace(decoded, (whole, name: string, places: string) =>
    name === 'at' || name === 'in' || (name === 'panic' && text.startsWith('trusty'))
      ? whole
      : `${name}${stands} (${places})`,
  );
}

/** True when withSymbols() may have changed the text. */
export function hasSymbols(text: string): boolean {
  return text.includes(`${stands} (`);
}

/** Undoes withSymbols(): returns the text as the log has it. */
export function withoutSymbols(text: string): string {
  return text.replaceAll(`${stands} (`, ' (');
}
