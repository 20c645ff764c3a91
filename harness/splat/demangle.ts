/** The prefixes of mangled names: `_R` for Rust v0, `_Z` for Itanium C++. */
const mangled = /^_(?:R|Z)/;

/**
 * Returns the readable name of a mangled symbol. Rust symbols (RFC 2603) look like
 * `_RNvMs4_NtCs1_11rust_binder7processNtB5_7Process10update_ref`, C++ symbols like `_Z8fakeNameiii`. Any other symbol, and a symbol
 * that cannot be read, is returned unchanged. The reader understands paths, inherent and trait impls, and back references. A
 * closure has the name of the function around it. A Rust name ends before generic arguments; when more of the name follows them,
 * the symbol cannot be read.
 */
export function demangle(symbol: string): string {
  if (!mangled.test(symbol)) return symbol;
  try {
    return symbol.startsWith('_Z') ? readCpp(symbol) : readRust(symbol);
  } catch {
    return symbol;
  }
}

function readCpp(symbol: string): string {
  const nested = symbol.startsWith('_ZN');
  let rest = symbol.slice(nested ? 3 : 2).replace(/^[KVL]+/, '');
  const parts: string[] = [];
  for (let match = /^\d+/.exec(rest); match; match = nested ? /^\d+/.exec(rest) : null) {
    const length = Number(match[0]);
    parts.push(rest.slice(match[0].length, match[0].length + length));
    rest = rest.slice(match[0].length + length);
  }
  // Older Rust ends its paths in a hash of 16 digits.
  if (/^h[0-9a-f]{16}$/.test(parts.at(-1) ?? '')) parts.pop();
  return parts.length > 0 ? parts.join('::') : symbol;
}

/**
 * A reading position in a mangled Rust symbol (v0). `depth` counts nested paths and back references; the reading stops when there
 * are too many.
 */
interface Reader {
  readonly text: string;
  at: number;
  depth: number;
}

function readRust(symbol: string): string {
  const reader: Reader = { text: symbol.slice(2), at: 0, depth: 0 };
  return readPath(reader);
}

function take(reader: Reader): string {
  const character = reader.text[reader.at++];
  if (character === undefined) throw new RangeError('symbol ends early');
  return character;
}

/** Reads a number of base 62: `_` is 0, `0_` is 1. */
function readBase62(reader: Reader): number {
  const end = reader.text.indexOf('_', reader.at);
  if (end < 0) throw new RangeError('number without end');
  const digits = reader.text.slice(reader.at, end);
  reader.at = end + 1;
  if (digits === '') return 0;
  const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  let value = 0;
  for (const digit of digits) value = value * 62 + alphabet.indexOf(digit);
  return value + 1;
}

function readIdentifier(reader: Reader): string {
  if (reader.text[reader.at] === 's') {
    reader.at++;
    readBase62(reader);
  }
  const match = /^u?(\d+)_?/.exec(reader.text.slice(reader.at));
  if (!match) throw new RangeError('identifier expected');
  reader.at += match[0].length;
  const name = reader.text.slice(reader.at, reader.at + Number(match[1]));
  reader.at += name.length;
  return name;
}

function readBackReference<T>(reader: Reader, read: (reader: Reader) => T): T {
  const at = readBase62(reader);
  if (at >= reader.at || reader.depth > 16) throw new RangeError('bad back reference');
  return read({ text: reader.text, at, depth: reader.depth + 1 });
}

function readPath(reader: Reader): string {
  if (++reader.depth > 64) throw new RangeError('too deep');
  const tag = take(reader);
  switch (tag) {
    case 'C':
      return readIdentifier(reader);
    case 'N': {
      take(reader);
      const parent = readPath(reader);
      const name = readIdentifier(reader);
      return name === '' ? parent : `${parent}::${name}`;
    }
    case 'M':
      readImplPath(reader);
      return `<${readType(reader)}>`;
    case 'X': {
      readImplPath(reader);
      const type = readType(reader);
      return `<${type} as ${readPath(reader)}>`;
    }
    case 'Y': {
      const type = readType(reader);
      return `<${type} as ${readPath(reader)}>`;
    }
    case 'I':
      return readPath(reader);
    case 'B':
      return readBackReference(reader, readPath);
    default:
      throw new RangeError(`unknown path ${tag}`);
  }
}

function readImplPath(reader: Reader): void {
  if (reader.text[reader.at] === 's') {
    reader.at++;
    readBase62(reader);
  }
  readPath(reader);
}

const basicTypes: Readonly<Record<string, string>> = {
  a: 'i8',
  b: 'bool',
  c: 'char',
  e: 'str',
  h: 'u8',
  i: 'isize',
  j: 'usize',
  l: 'i32',
  m: 'u32',
  s: 'i16',
  t: 'u16',
  u: '()',
  x: 'i64',
  y: 'u64',
};

function readType(reader: Reader): string {
  const tag = reader.text[reader.at] ?? '';
  const basic = basicTypes[tag];
  if (basic !== undefined) {
    reader.at++;
    return basic;
  }
  if (tag === 'B') {
    reader.at++;
    return readBackReference(reader, readType);
  }
  return readPath(reader);
}
