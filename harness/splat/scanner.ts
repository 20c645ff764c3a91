import type { Finding } from './finding.ts';
import { Tracker } from './tracker.ts';
import { triggerExpression } from './triggers.ts';

/** Bytes of a line that are looked at; the rest is skipped. printk's own lines end at 1 KiB (LOG_LINE_MAX). */
const longestLine = 4 * 1024;
/** Bytes turned into text at once. V8 keeps a whole slice alive for any substring of it, so a kept finding costs this much. */
const sliceBytes = 64 * 1024;

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

class LineScanner implements Scanner {
  readonly #tracker = new Tracker();
  readonly #trigger = triggerExpression();
  /** The first line that is not finished, as latin1, cut to longestLine. */
  #carry = '';
  /** Bytes of it beyond that. */
  #dropped = 0;
  /** Bytes before `#carry`, and the number of its line. */
  #offset = 0;
  #lineNumber = 1;

  push(chunk: Uint8Array | string): Finding[] {
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk)
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length; at += sliceBytes) {
      this.#scanSlice(bytes.toString('latin1', at, Math.min(at + sliceBytes, bytes.length)));
    }
    return this.#tracker.drain();
  }

  end(): Finding[] {
    if (this.#carry !== '') {
      this.#scanLines(`${this.#carry}\n`);
      this.#offset += this.#dropped - 1;
      this.#carry = '';
      this.#dropped = 0;
    }
    this.#tracker.settle();
    return this.#tracker.drain();
  }

  #scanSlice(slice: string): void {
    const afterLast = slice.lastIndexOf('\n') + 1;
    if (afterLast > 0) {
      const first = slice.indexOf('\n');
      if (this.#dropped > 0) {
        this.#scanLines(`${this.#carry}\n`);
        this.#offset += this.#dropped + first;
        this.#dropped = 0;
        this.#scanLines(slice.slice(first + 1, afterLast));
      } else this.#scanLines(this.#carry + slice.slice(0, afterLast));
      this.#carry = '';
    }
    const rest = slice.slice(afterLast);
    const kept = rest.slice(0, Math.max(0, longestLine - this.#carry.length));
    this.#carry += kept;
    this.#dropped += rest.length - kept.length;
  }

  /** Scans whole lines; `text` ends with a newline or is empty. */
  #scanLines(text: string): void {
    let position = 0;
    let counted = 0;
    let triggerAt = this.#nextTrigger(text, 0);
    while (position < text.length) {
      if (triggerAt < position) triggerAt = this.#nextTrigger(text, position);
      let from = position;
      if (!this.#tracker.isFollowing) {
        if (triggerAt >= text.length) break;
        from = text.lastIndexOf('\n', triggerAt) + 1;
      }
      const newline = text.indexOf('\n', from);
      const hasTrigger = triggerAt < newline;
      this.#countLines(text, counted, from);
      counted = from;
      const raw = text.slice(from, Math.min(newline, from + longestLine));
      const { start, end } = { start: this.#offset + from, end: this.#offset + newline + 1 };
      this.#tracker.take(raw, { number: this.#lineNumber, start, end, hasTrigger });
      position = newline + 1;
    }
    this.#countLines(text, counted, text.length);
    this.#offset += text.length;
  }

  /** Where the next trigger is; the text's length when there is none. */
  #nextTrigger(text: string, from: number): number {
    this.#trigger.lastIndex = from;
    return this.#trigger.exec(text)?.index ?? text.length;
  }

  #countLines(text: string, from: number, to: number): void {
    for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
      this.#lineNumber++;
    }
  }
}
