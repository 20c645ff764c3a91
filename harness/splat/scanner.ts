import type { Finding } from './finding.ts';
import { createTracker } from './tracker.ts';
import { triggerExpression } from './triggers.ts';

/** Bytes of a line that are looked at; the rest of a longer line is skipped. */
const longestLine = 16 * 1024;
/** Bytes turned into text at once. */
const sliceBytes = 1024 * 1024;

/** V8 keeps the whole slice alive for a substring of it; findings must not. */
function ownCopy(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('latin1');
}

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
  const tracker = createTracker();
  const trigger = triggerExpression();
  /** Bytes from the start of the first line that is not finished, as latin1; cut to longestLine. */
  let carry = '';
  let offset = 0;
  let lineNumber = 1;
  /** Bytes of the unfinished line beyond `carry`. */
  let dropped = 0;

  function countLines(text: string, from: number, to: number): void {
    for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
      lineNumber++;
    }
  }

  /** Scans whole lines; `text` ends with a newline. */
  function scanLines(text: string): void {
    let position = 0;
    let counted = 0;
    while (position < text.length) {
      let from = position;
      if (!tracker.following()) {
        trigger.lastIndex = position;
        const match = trigger.exec(text);
        if (!match) break;
        from = text.lastIndexOf('\n', match.index) + 1;
      }
      const newline = text.indexOf('\n', from);
      countLines(text, counted, from);
      counted = from;
      const raw = ownCopy(text.slice(from, Math.min(newline, from + longestLine)));
      tracker.take(raw, lineNumber, offset + from, offset + newline + 1);
      position = newline + 1;
    }
    countLines(text, counted, text.length);
    offset += text.length;
  }

  function scanSlice(slice: string): void {
    const last = slice.lastIndexOf('\n');
    if (last < 0) {
      const room = longestLine - carry.length;
      carry += slice.slice(0, Math.max(0, room));
      dropped += Math.max(0, slice.length - Math.max(0, room));
      return;
    }
    const first = slice.indexOf('\n');
    if (dropped > 0) {
      scanLines(`${carry}\n`);
      offset += dropped + first;
      dropped = 0;
      if (first < last) scanLines(slice.slice(first + 1, last + 1));
    } else scanLines(carry + slice.slice(0, last + 1));
    carry = '';
    if (last + 1 < slice.length) scanSlice(slice.slice(last + 1));
  }

  return {
    push(chunk) {
      const bytes =
        typeof chunk === 'string'
          ? Buffer.from(chunk)
          : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let at = 0; at < bytes.length; at += sliceBytes) {
        scanSlice(bytes.toString('latin1', at, Math.min(at + sliceBytes, bytes.length)));
      }
      return tracker.drain();
    },
    end() {
      if (carry !== '') {
        scanLines(`${carry}\n`);
        offset += dropped - 1;
        carry = '';
        dropped = 0;
      }
      tracker.settle();
      return tracker.drain();
    },
  };
}

/** All findings of a whole log, in the order of the lines they start at. */
export function scanLog(log: Uint8Array | string): Finding[] {
  const scanner = createScanner();
  const findings = [...scanner.push(log), ...scanner.end()];
  return findings.toSorted((a, b) => a.line - b.line);
}
