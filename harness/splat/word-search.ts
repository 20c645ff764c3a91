import { wordSearchCode } from './word-search-code.ts';

/** Searches a text for many words at once, and counts its lines. */
export interface WordSearch {
  /** Takes a copy of the text, which is searched until the next call. */
  load(text: Uint8Array): void;
  /**
   * Returns the position after a word that begins at or after `from`, or the length of the text + 1 when there is no such word.
   * Words may overlap. No other word that begins at or after `from` ends before this word begins.
   */
  endOfNext(from: number): number;
  /** The number of newlines at the positions from `from` on and before `to`. */
  newlines(from: number, to: number): number;
}

/** A word, and the position in the word of its fragment: the four bytes for which the search looks. */
interface Anchored {
  readonly word: Uint8Array;
  readonly offset: number;
}

/**
 * The nibbles (half bytes) that occur in the fragments of a bucket. For each byte of a fragment there are two bit masks: the set of
 * low nibbles and the set of high nibbles.
 */
type Nibbles = readonly { readonly low: number; readonly high: number }[];

/** The number of bytes of a fragment: the neighbouring bytes of a word that stand for the word. */
const fragmentBytes = 4;
/**
 * The number of buckets into which the fragments are put. Each bucket has one bit in every entry of the tables of
 * word-search.wat.
 */
const buckets = 8;
/** The position of the hashes in the memory, as word-search.wat has it. `textAt` is the position of the text. */
const hashesAt = 128;
const textAt = 8192;
/** The number of bytes behind a text that the search may read. */
const overrun = 32;
const pageBytes = 65_536;

/**
 * Makes a search for `words`. Each word is latin1 and has at least four characters. The search looks for the rarest four
 * neighbouring bytes of each word, at 16 positions at a time (the shuffles of "Teddy", Langdale's search in Hyperscan).
 */
export function createWordSearch(words: readonly string[]): WordSearch {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const code = new WebAssembly.Module(Buffer.from(wordSearchCode, 'base64'));
  const { exports } = new WebAssembly.Instance(code, { splat: { memory } });
  const { next, newlines } = exports as Readonly<
    Record<'next' | 'newlines', (at: number, end: number) => number>
  >;
  /** The words for which the search looks. The key is the word's fragment as a number. */
  const anchored = new Map<number, Anchored[]>();
  for (const word of words.map((text) => Buffer.from(text, 'latin1'))) {
    const offset = rarestFragment(word);
    const fragment = word.readInt32LE(offset);
    anchored.set(fragment, [...(anchored.get(fragment) ?? []), { word, offset }]);
  }
  fillTables(new Uint8Array(memory.buffer), [...anchored.keys()]);
  let bytes = Buffer.from(memory.buffer);
  let length = 0;
  return {
    load(text) {
      const missing = textAt + text.length + overrun - bytes.length;
      if (missing > 0) {
        memory.grow(Math.ceil(missing / pageBytes));
        bytes = Buffer.from(memory.buffer);
      }
      bytes.set(text, textAt);
      ({ length } = text);
    },
    endOfNext(from) {
      const end = textAt + length;
      for (let at = next(textAt + from, end); at < end; at = next(at + 1, end)) {
        for (const { word, offset } of anchored.get(bytes.readInt32LE(at)) ?? []) {
          const start = at - offset;
          const wordEnd = start + word.length;
          if (start >= textAt + from && wordEnd <= end && isAt(bytes, start, word)) {
            return wordEnd - textAt;
          }
        }
      }
      return length + 1;
    },
    newlines: (from, to) => newlines(textAt + from, textAt + to),
  };
}

function isAt(bytes: Uint8Array, start: number, word: Uint8Array): boolean {
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return false;
  return true;
}

/** The position in `word` of the four neighbouring bytes that a log has least often. */
function rarestFragment(word: Buffer): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at + fragmentBytes <= word.length; at++) {
    const weight = word
      .subarray(at, at + fragmentBytes)
      .reduce((product, byte) => product * frequency(byte), 1);
    if (weight < least) [best, least] = [at, weight];
  }
  return best;
}

/** How often a console log has a byte, in relation to other bytes: a rough guess, which affects only the speed. */
function frequency(byte: number): number {
  const character = String.fromCharCode(byte);
  if (/[etaoinsrhldcu0-9 ]/.test(character)) return 8;
  return /[a-z:=[\]()./_+-]/.test(character) ? 4 : 1;
}

/** Puts each fragment into a bucket, and fills the tables of word-search.wat. */
function fillTables(tables: Uint8Array, fragments: readonly number[]): void {
  const filled: (Nibbles | undefined)[] = Array.from({ length: buckets }, () => undefined);
  for (const fragment of fragments.toSorted((a, b) => a - b)) {
    const nibbles = nibblesOf(fragment);
    const growth = filled.map((bucket) =>
      bucket === undefined
        ? combinations(nibbles)
        : combinations(merged(bucket, nibbles)) - combinations(bucket),
    );
    const bucket = growth.indexOf(Math.min(...growth));
    const there = filled[bucket];
    filled[bucket] = there === undefined ? nibbles : merged(there, nibbles);
    tables[hashesAt + hashOf(fragment)] = 1;
  }
  filled.forEach((bucket, index) => {
    bucket?.forEach(({ low, high }, byte) => {
      for (let nibble = 0; nibble < 16; nibble++) {
        const at = byte * 32 + nibble;
        tables[at] = (tables[at] ?? 0) | (((low >> nibble) & 1) << index);
        tables[at + 16] = (tables[at + 16] ?? 0) | (((high >> nibble) & 1) << index);
      }
    });
  });
}

function nibblesOf(fragment: number): Nibbles {
  return [0, 8, 16, 24].map((shift) => {
    const byte = (fragment >>> shift) & 0xff;
    return { low: 1 << (byte & 15), high: 1 << (byte >> 4) };
  });
}

function merged(left: Nibbles, right: Nibbles): Nibbles {
  return left.map(({ low, high }, byte) => ({
    low: low | (right[byte]?.low ?? 0),
    high: high | (right[byte]?.high ?? 0),
  }));
}

/** The number of fragments that fit the nibbles of a bucket: the fragments in the bucket, and others that also fit. */
function combinations(nibbles: Nibbles): number {
  return nibbles.reduce((product, { low, high }) => product * bits(low) * bits(high), 1);
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Returns the hash that word-search.wat also computes. */
function hashOf(fragment: number): number {
  return Math.imul(fragment, 0x9e3779b1) >>> 20;
}
