/** What was read, as far as it takes to tell a log from what is none. */
export interface Sample {
  add(chunk: Uint8Array | string): void;
  /** What it is, when that is no log: `is binary data, not a console log`. */
  fault(): string | undefined;
}

/** Of each chunk: all of it would cost as much as looking for splats. */
const sampleBytes = 4096;
/**
 * Noise on a serial line, and what a crash left of a file's last block, are in real logs; a third of one they are not.
 * Random bytes have 57 % odd ones, a kernel image 40 % or more.
 */
const mostOdd = 1 / 3;
const odd = /(?!\s)[\p{Cc}\uFFFD]/gu;

export function openSample(): Sample {
  let characters = 0;
  let oddOnes = 0;
  // NULs at even and at odd places: UTF-16 has them at one of the two.
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
      if (share > 0.6) return 'is mostly NUL bytes, not a console log';
      return share > 0.3 && less * 20 < more
        ? 'is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8'
        : 'is binary data, not a console log';
    },
  };
}
