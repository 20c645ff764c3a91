/** Searches bytes for the first of many words. */
export interface WordSearch {
  /** The index after the first word that begins at or after `from` and ends by `to`; `to` + 1 when there is none. */
  endOfNext(bytes: Uint8Array, from: number, to: number): number;
}

/**
 * The number of pairs of two neighbouring bytes, with seven bits of each: tables of this size stay in the first-level cache of a
 * processor.
 */
const pairs = 2 ** 14;

/** Two neighbouring bytes as a number below `pairs`. */
function pairAt(bytes: Uint8Array, at: number): number {
  return (((bytes[at - 1] ?? 0) & 0x7f) << 7) | ((bytes[at] ?? 0) & 0x7f);
}

/** Mixes two pairs to one number below `pairs`. */
function mixed(first: number, last: number): number {
  return ((first * 31) ^ last) & (pairs - 1);
}

/**
 * Wu and Manber's search ("A fast algorithm for multi-pattern searching", 1994). A window as long as the shortest word moves over
 * the bytes; its last two bytes decide how far it may jump. When it may not jump, its first two bytes are checked before the words
 * are compared. Words are latin1 and have three characters or more.
 */
export function createWordSearch(words: readonly string[]): WordSearch {
  const encoded = words.map((word) => Buffer.from(word, 'latin1'));
  const window = Math.min(...encoded.map((word) => word.length));
  const jumps = new Uint8Array(pairs).fill(window - 1);
  /** Marks the first and last pair of each word's window; few other windows have marked pairs. */
  const likely = new Uint8Array(pairs);
  /** By the last pair of the first `window` bytes of a word: the words with this pair. */
  const ending = new Map<number, Uint8Array[]>();
  for (const word of encoded) {
    for (let at = 1; at < window; at++) {
      const pair = pairAt(word, at);
      jumps[pair] = Math.min(jumps[pair] ?? 0, window - 1 - at);
    }
    const last = pairAt(word, window - 1);
    likely[mixed(pairAt(word, 1), last)] = 1;
    ending.set(last, [...(ending.get(last) ?? []), word]);
  }
  return {
    endOfNext(bytes, from, to) {
      for (let last = from + window - 1; last < to; ) {
        const pair = pairAt(bytes, last);
        const jump = jumps[pair] ?? 0;
        if (jump > 0) {
          last += jump;
          continue;
        }
        if (likely[mixed(pairAt(bytes, last + 2 - window), pair)] === 1) {
          for (const word of ending.get(pair) ?? []) {
            const end = last + 1 - window + word.length;
            if (end <= to && endsWith(bytes, end, word)) return end;
          }
        }
        last++;
      }
      return to + 1;
    },
  };
}

function endsWith(bytes: Uint8Array, end: number, word: Uint8Array): boolean {
  const start = end - word.length;
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word[at]) return false;
  return true;
}
