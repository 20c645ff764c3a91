import type { Finding } from '../records/finding.ts';
import { LineReader, neighbours } from './line-reader.ts';
import { PstorePieces } from './pstore-pieces.ts';
import { createHeaderTest, Tracker } from './tracker.ts';
import { triggerWords } from './triggers.ts';
import { createWordSearch } from './word-search.ts';

/**
 * The number of bytes of a line that are scanned; the rest of the line is skipped. printk's own lines end at 1 KiB (LOG_LINE_MAX).
 */
const longestLine = 4 * 1024;
/**
 * The number of bytes that are decoded to text at once: a slice of this size stays in the first-level cache of a processor. V8
 * keeps a whole slice alive for any substring of it, so each finding that is kept holds this much memory.
 */
const sliceBytes = 16 * 1024;
/** The number of characters that are kept of a line from which a prefix may be learnt. */
const neighbourCharacters = 512;
const newline = 0x0a;
const triggers = createWordSearch(triggerWords);

/** Finds splats and events in a console log as it arrives. */
export interface Scanner {
  /**
   * Takes the next bytes of the console; a string is taken as UTF-8. Returns the findings that these bytes complete, in the order
   * of completion.
   */
  push(chunk: Uint8Array | string): Finding[];
  /**
   * Ends all open reports and returns their findings. The unfinished line counts as a whole line. Call this when the console has
   * ended or has been silent for long. push() may be called again afterwards.
   */
  end(): Finding[];
}

/**
 * Opens a scanner at the start of a console log. The scanner keeps a bounded amount of the log: a slice, a line, and the open
 * reports. The findings do not depend on how the input is cut into chunks.
 */
export function createScanner(): Scanner {
  return new LineScanner();
}

/** Returns all findings in a whole log, in the order of their first lines. */
export function scanLog(log: Uint8Array | string): Finding[] {
  const scanner = createScanner();
  const findings = [...scanner.push(log), ...scanner.end()];
  return findings.toSorted((a, b) => a.line - b.line);
}

/**
 * A part of the input that consists of whole lines. It begins at `from` in `bytes`; `to` is the position after its last newline.
 */
interface Stretch {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  /** The number of bytes that were dropped from the last line, before its newline. */
  readonly missing: number;
}

class LineScanner implements Scanner {
  readonly #headerAt = createHeaderTest();
  readonly #tracker = new Tracker(this.#headerAt);
  readonly #reader = new PstorePieces(
    new LineReader(this.#headerAt, (line) => this.#tracker.take(line)),
  );
  /** The last lines of the input so far, from which prefixes of the next lines may be learnt. */
  #tail: readonly string[] = [];
  /** The bytes of the unfinished line so far: the first `#carried` bytes of this buffer. */
  readonly #carry = Buffer.alloc(longestLine + 1);
  #carried = 0;
  /** The number of bytes of the unfinished line that were dropped because they did not fit into `#carry`. */
  #dropped = 0;
  /** The position in the log of the bytes that are being scanned. `#lineNumber` is the number of their first line. */
  #offset = 0;
  #lineNumber = 1;

  push(chunk: Uint8Array | string): Finding[] {
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk)
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    if (this.#carried > 0) {
      const end = bytes.indexOf(newline);
      this.#carryOn(bytes.subarray(0, end < 0 ? bytes.length : end));
      if (end < 0) return this.#tracker.drain();
      this.#finishCarried();
      from = end + 1;
    }
    const afterLast = bytes.lastIndexOf(newline) + 1;
    while (from < afterLast) {
      const to = endOfSlice(bytes, from);
      this.#scanLines({ bytes, from, to, missing: 0 });
      from = to;
    }
    this.#carryOn(bytes.subarray(from));
    return this.#tracker.drain();
  }

  end(): Finding[] {
    if (this.#carried > 0) {
      // The newline that ends the unfinished line here is not part of the input.
      this.#finishCarried(this.#dropped - 1);
      this.#lineNumber--;
    }
    this.#reader.flush();
    this.#tracker.settle();
    return this.#tracker.drain();
  }

  /**
   * Returns a function that returns the lines above a line. This is a separate method so that the closure, which is made for each
   * line, holds few variables.
   */
  #above(text: string, at: number): () => readonly string[] {
    return () => linesBefore(text, at, this.#tail);
  }

  #carryOn(part: Buffer): void {
    const kept = part.copy(this.#carry, this.#carried, 0, longestLine - this.#carried);
    this.#carried += kept;
    this.#dropped += part.length - kept;
  }

  /** Ends the unfinished line here and scans it, without the bytes that were dropped. */
  #finishCarried(missing = this.#dropped): void {
    const bytes = this.#carry;
    bytes[this.#carried] = newline;
    this.#scanLines({ bytes, from: 0, to: this.#carried + 1, missing });
    this.#carried = 0;
    this.#dropped = 0;
  }

  #scanLines({ bytes, from, to, missing }: Stretch): void {
    const text = bytes.toString('latin1', from, to);
    let position = 0;
    let counted = 0;
    triggers.load(bytes.subarray(from, to));
    let triggerEnd = triggers.endOfNext(0);
    while (position < text.length) {
      let at = position;
      if (!this.#tracker.isFollowing && !this.#reader.isHolding) {
        // The next lines are skipped, so nothing can be learnt from them for the lines that are held.
        this.#reader.flush();
        if (triggerEnd > text.length) break;
        at = text.lastIndexOf('\n', triggerEnd - 2) + 1;
      }
      const end = text.indexOf('\n', at);
      const seen = Math.min(end, at + longestLine);
      const isWhole = seen < at + longestLine;
      this.#lineNumber += triggers.newlines(counted, at);
      counted = at;
      const place = {
        number: this.#lineNumber,
        start: this.#offset + at,
        end: this.#offset + end + 1 + missing,
        hasTrigger: triggerEnd <= (isWhole ? end + 1 : seen),
      };
      this.#reader.push(text.slice(at, seen), place, this.#above(text, at));
      position = end + 1;
      if (triggerEnd <= position) {
        triggerEnd = triggers.endOfNext(position);
      }
    }
    this.#lineNumber += triggers.newlines(counted, text.length);
    this.#tail = linesBefore(text, text.length, this.#tail);
    this.#offset += text.length + missing;
  }
}

/**
 * Returns the position that ends a slice of whole lines, which begins at `from` and has about `sliceBytes` bytes. A newline must
 * follow `from`.
 */
function endOfSlice(bytes: Buffer, from: number): number {
  const last = bytes.lastIndexOf(newline, from + sliceBytes - 1);
  return (last < from ? bytes.indexOf(newline, from) : last) + 1;
}

/**
 * The last `neighbours` lines of `text` that end at or before the position `end`, each cut to `neighbourCharacters`. When `text`
 * has fewer lines, the last lines of `tail` (the input before `text`) go before them.
 */
function linesBefore(text: string, end: number, tail: readonly string[]): string[] {
  const lines: string[] = [];
  let at = end;
  while (at > 0 && lines.length < neighbours) {
    const start = at < 2 ? 0 : text.lastIndexOf('\n', at - 2) + 1;
    lines.unshift(text.slice(start, Math.min(at - 1, start + neighbourCharacters)));
    at = start;
  }
  return [...tail.slice(lines.length - neighbours), ...lines].slice(-neighbours);
}
