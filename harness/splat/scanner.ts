import type { Finding } from '../records/finding.ts';
import { LineReader, neighbours } from './line-reader.ts';
import { createHeaderTest, Tracker } from './tracker.ts';
import { triggerWords } from './triggers.ts';
import { createWordSearch } from './word-search.ts';

/** Bytes of a line that are looked at; the rest is skipped. printk's own lines end at 1 KiB (LOG_LINE_MAX). */
const longestLine = 4 * 1024;
/**
 * Bytes turned into text at once: so many stay in the first cache of a processor. V8 keeps a whole slice alive for any
 * substring of it, so a kept finding costs this much.
 */
const sliceBytes = 16 * 1024;
/** Characters kept of a line for its neighbours. */
const neighbourCharacters = 512;
const newline = 0x0a;
const triggers = createWordSearch(triggerWords);

export interface Scanner {
  /** Takes the next bytes of the console and returns the findings they complete, in the order of completion. */
  push(chunk: Uint8Array | string): Finding[];
  /** The console is over, or has been silent for long: returns what was still open. Pushing on is allowed. */
  end(): Finding[];
}

/**
 * Finds splats in a console log as it arrives. Memory is bounded: a slice, a line, and the open reports. What is found does
 * not depend on how the input is cut into chunks.
 */
export function createScanner(): Scanner {
  return new LineScanner();
}

/** All findings of a whole log, in the order of the lines they start at. */
export function scanLog(log: Uint8Array | string): Finding[] {
  const scanner = createScanner();
  const findings = [...scanner.push(log), ...scanner.end()];
  return findings.toSorted((a, b) => a.line - b.line);
}

/** Whole lines; `to` is after the newline of the last one. */
interface Stretch {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  /** How many bytes more the input had before that newline. */
  readonly missing: number;
}

class LineScanner implements Scanner {
  readonly #headerAt = createHeaderTest();
  readonly #tracker = new Tracker(this.#headerAt);
  readonly #reader = new LineReader(this.#headerAt, (line) => this.#tracker.take(line));
  /** The last lines of what was scanned, for the first ones of what comes. */
  #tail: readonly string[] = [];
  /** The first `#carried` bytes of the line that is not finished. */
  readonly #carry = Buffer.alloc(longestLine + 1);
  #carried = 0;
  /** Bytes of it beyond them. */
  #dropped = 0;
  /** Bytes before what is looked at, and the number of its first line. */
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
    // The newline that ends the line here is none of the input.
    if (this.#carried > 0) this.#finishCarried(this.#dropped - 1);
    this.#reader.flush();
    this.#tracker.settle();
    return this.#tracker.drain();
  }

  /** Gives the lines above one. It is a function of its own: what it closes over is made for each line. */
  #above(text: string, at: number): () => readonly string[] {
    return () => linesBefore(text, at, this.#tail);
  }

  #carryOn(part: Buffer): void {
    const kept = part.copy(this.#carry, this.#carried, 0, longestLine - this.#carried);
    this.#carried += kept;
    this.#dropped += part.length - kept;
  }

  /** The line that was not finished ends here. What was dropped of it is never looked at. */
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
    let triggerEnd = triggers.endOfNext(bytes, from, to) - from;
    while (position < text.length) {
      let at = position;
      if (!this.#tracker.isFollowing && !this.#reader.isHolding) {
        // What is held is no neighbour of a line that is not the next one.
        this.#reader.flush();
        if (triggerEnd > text.length) break;
        at = text.lastIndexOf('\n', triggerEnd - 2) + 1;
      }
      const end = text.indexOf('\n', at);
      const seen = Math.min(end, at + longestLine);
      const isWhole = seen < at + longestLine;
      this.#lineNumber += newlinesBetween(text, counted, at);
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
        triggerEnd = triggers.endOfNext(bytes, from + position, to) - from;
      }
    }
    this.#lineNumber += newlinesBetween(text, counted, text.length);
    this.#tail = linesBefore(text, text.length, this.#tail);
    this.#offset += text.length + missing;
  }
}

/** Where whole lines of about `sliceBytes` end that begin at `from`; there is a newline after it. */
function endOfSlice(bytes: Buffer, from: number): number {
  const last = bytes.lastIndexOf(newline, from + sliceBytes - 1);
  return (last < from ? bytes.indexOf(newline, from) : last) + 1;
}

/** The lines that end before `end` in whole lines, cut to what a prefix takes; where they are too few, `tail` goes before them. */
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

function newlinesBetween(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
    count++;
  }
  return count;
}
