import type { LinePlace, LineReader } from './line-reader.ts';

/**
 * The first line of a piece of a kernel log that pstore saved: `Panic#1 Part2`. Part 1 has the last lines of the log, so files that
 * were joined in order of name have the newest lines first (pstore_dump(), fs/pstore/platform.c).
 */
const heading = /^(?:\xef\xbb\xbf)?([A-Z][a-z]{3,9}#\d{1,6}) Part(\d{1,4})\r?$/;
/** The largest number of lines that are held. pstore saves the last 10 KiB of a log, unless it is told to save more. */
const mostLines = 4000;
const linesAbove = 8;

interface PieceLine {
  readonly raw: string;
  readonly place: LinePlace;
}

interface Piece {
  readonly part: number;
  readonly lines: PieceLine[];
}

/**
 * Passes lines on to a reader. The pieces of a log that pstore saved are passed on oldest first, whatever their order in the file.
 * Their lines are held until all pieces have come.
 */
export class PstorePieces {
  readonly #reader: LineReader;
  /** The beginning that the headings of the held pieces share: `Panic#1`. Undefined when no piece is held. */
  #dump: string | undefined;
  #pieces: Piece[] = [];
  #held = 0;

  constructor(reader: LineReader) {
    this.#reader = reader;
  }

  /** True while the next line is needed whatever it says. */
  get isHolding(): boolean {
    return this.#dump !== undefined || this.#reader.isHolding;
  }

  /** Takes the next line. `before` returns the lines above it. */
  push(raw: string, place: LinePlace, before: () => readonly string[]): void {
    const mayBegin = place.hasTrigger || this.#dump !== undefined;
    const match = mayBegin && raw.includes(' Part') ? heading.exec(raw) : null;
    if (match) this.#begin(match[1] ?? '', Number(match[2]));
    else if (this.#dump === undefined) this.#reader.push(raw, place, before);
    else {
      this.#pieces.at(-1)?.lines.push({ raw, place });
      if (++this.#held >= mostLines) this.#pass();
    }
  }

  /** Passes on all lines that are held. */
  flush(): void {
    this.#pass();
    this.#reader.flush();
  }

  #begin(dump: string, part: number): void {
    const isOther = dump !== this.#dump || this.#pieces.some((piece) => piece.part === part);
    if (isOther) this.#pass();
    this.#dump = dump;
    this.#pieces.push({ part, lines: [] });
  }

  #pass(): void {
    const lines = this.#pieces.toSorted((a, b) => b.part - a.part).flatMap((piece) => piece.lines);
    this.#dump = undefined;
    this.#pieces = [];
    this.#held = 0;
    for (const [at, { raw, place }] of lines.entries()) {
      const above = lines.slice(Math.max(0, at - linesAbove), at);
      this.#reader.push(raw, place, () => above.map((line) => line.raw));
    }
  }
}
