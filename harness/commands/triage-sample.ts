/** A sample of the input, just large enough to tell a console log from other data. */
export interface Sample {
  add(chunk: Uint8Array | string): void;
  /** Returns the nature of an input that is not a log: `binary data, not a console log`. Returns undefined for a log. */
  fault(): string | undefined;
}

/** The number of bytes taken from each chunk: checking all bytes would take as long as the search for splats. */
const sampleBytes = 4096;
/**
 * The share of odd characters (control characters and invalid UTF-8) above which the input is no log. A log has some odd
 * characters, from noise on a serial line, and from what a crash left in the last block of a file. Random bytes have 57 %, and a
 * kernel image has 40 % or more.
 */
const mostOdd = 1 / 3;
const odd = /(?!\s)[\p{Cc}\uFFFD]/gu;

export function openSample(): Sample {
  let characters = 0;
  let oddOnes = 0;
  // The numbers of NULs at even and at odd positions: UTF-16 has NULs at only one of the two.
  const nuls: [number, number] = [0, 0];
  return {
    add(chunk) {
      const bytes = Buffer.from(
        typeof chunk === 'string' ? chunk.slice(0, sampleBytes) : chunk.subarray(0, sampleBytes),
      );
      const text = bytes.toString('utf8');
      characters += text.length;
      oddOnes += text.match(odd)?.length ?? 0;
      for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) {
        nuls[at % 2 === 0 ? 0 : 1] += 1;
      }
    },
    fault() {
      if (characters === 0) return 'no lines were read';
      if (oddOnes / characters <= mostOdd) return undefined;
      const [less = 0, more = 0] = nuls.toSorted((a, b) => a - b);
      const share = (less + more) / characters;
      if (share > 0.6) return 'mostly NUL bytes, not a console log';
      return share > 0.3 && less * 20 < more
        ? 'UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8'
        : 'binary data, not a console log';
    },
  };
}
