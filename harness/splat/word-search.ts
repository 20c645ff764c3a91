/** Finds the first of many words in bytes. */
export interface WordSearch {
  /** Index after the first word that begins at or after `from` and ends by `to`; `to` + 1 when there is none. */
  endOfNext(bytes: Uint8Array, from: number, to: number): number;
}

/** Two neighbouring bytes as a number. */
function pairAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at - 1] ?? 0) << 8) | (bytes[at] ?? 0);
}

/**
 * Wu and Manber's search ("A fast algorithm for multi-pattern searching", 1994): a window as long as the shortest word moves
 * over the bytes; its last two bytes tell how far it may jump. Words are latin1, of two characters or more.
 */
export function createWordSearch(words: readonly string[]): WordSearch {
  const encoded = words.map((word) => Buffer.from(word, 'latin1'));
  const window = Math.min(...encoded.map((word) => word.length));
  const jumps = new Uint8Array(0x10000).fill(window - 1);
  /** By the last pair of their first `window` bytes. */
  const ending: (Uint8Array[] | undefined)[] = Array.from({ length: jumps.length });
  for (const word of encoded) {
    for (let at = 1; at < window; at++) {
      const pair = pairAt(word, at);
      jumps[pair] = Math.min(jumps[pair] ?? 0, window - 1 - at);
    }
    (ending[pairAt(word, window - 1)] ??= []).push(word);
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
        for (const word of ending[pair] ?? []) {
          const end = last + 1 - window + word.length;
          if (end <= to && endsWith(bytes, end, word)) return end;
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
