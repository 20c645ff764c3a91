import type { ReportLine } from './body.ts';
import { joinHeader } from './broken-line.ts';
import { type ConsoleLine, isRelayed, readConsoleLine } from './console-line.ts';
import { DoubledLines } from './doubled-lines.ts';
import type { HeaderTest } from './header-place.ts';
import { learnPrefix } from './learnt-prefix.ts';
import { fromJsonString, withoutQuote } from './markup.ts';
import { hintsAtReport, ofReport } from './open-report.ts';

/** The position of a line in the log. */
export interface LinePlace {
  /** The number of the line, from 1. */
  readonly number: number;
  /** The position of the line's first byte. `end` is the position after its newline. */
  readonly start: number;
  readonly end: number;
  /** True when the line contains a word of triggers.ts, so that the line may open a report. */
  readonly hasTrigger: boolean;
}

/** A line without its prefix, and the position of the line in the log. */
export interface ReadLine extends ReportLine {
  /** The line as the log has it. */
  readonly raw: string;
  readonly fromKernel: boolean;
  readonly hasTrigger: boolean;
  /**
   * True for a line that has no stamp although the kernel stamps the lines of this log. False when lines of a report follow
   * the line.
   */
  readonly isStray: boolean;
}

/** The number of lines above a line, and of lines below it, from which the line's prefix is learnt. */
export const neighbours = 8;

/**
 * The line with which an nbcon console (Linux 7.3) announces that it prints a message again. The console does so after another
 * owner took the console over in the middle of the message (kernel/printk/nbcon.c). The line reader drops the part that was
 * printed before.
 */
const replay = /\*\* replaying previous printk message \*\*\W*$/;

/** Formats that use several lines for a message: `dmesg --json`, and `journalctl -o` with json-pretty, verbose or export. */
const formats: readonly {
  readonly message: RegExp;
  readonly other: RegExp;
  readonly isJson: boolean;
}[] = [
  {
    message: /^\s*"(?:msg|MESSAGE|message)" ?: ?"((?:[^"\\]|\\.)*)"?,?\s*$/,
    other: /^\s*(?:"[\w .-]{1,64}" ?: ?|[{}[\],]{1,4}\s*$)/,
    isJson: true,
  },
  {
    message: /^\s*MESSAGE=(.*)$/,
    other: /^\s*(?:[A-Z_][A-Z\d_]{1,64}=|$)|\[s=[0-9a-f]{1,64};i=/,
    isJson: false,
  },
];
/** After this many lines in a row that do not fit the format, the log is no longer read in that format. */
const formatPatience = 3;

interface Held {
  /**
   * The message in the line. In formats such as `dmesg --json`, a line is a field of a record; the message is then the field's
   * value.
   */
  readonly inner: string;
  readonly raw: string;
  readonly place: LinePlace;
  /** The lines above this line, from which its prefix is learnt. Undefined when the prefix is known already. */
  readonly before: readonly string[] | undefined;
  /** The number of lines below this line that must be read before this line is passed on. */
  readonly wanted: number;
}

/** Returns false for an empty line: nothing can be learnt from an empty line. */
function isTold({ inner }: Held): boolean {
  return /\S/.test(inner);
}

/** For this many lines below a header that was broken in two, other broken lines are joined as well. */
const wrappedLines = 100;

/**
 * Removes prefixes and formats from the lines of a console and passes the lines on in order. Each line is passed on one line late,
 * because the next line may say that the message is printed again. A line is passed on `neighbours` lines late when it may open a
 * report but has an unknown prefix, or lacks the stamp of the kernel's other lines.
 */
export class LineReader {
  readonly #take: (line: ReadLine) => void;
  readonly #headerAt: HeaderTest;
  #held: Held[] = [];
  #learnt: RegExp | undefined;
  #format: (typeof formats)[number] | undefined;
  #strangers = 0;
  /** The number of further lines in which a broken line is still joined with the next line. */
  #wrapped = 0;
  /**
   * True when the line before was a server-sent event (journalctl -o json-sse). The empty line below an event does not belong to
   * the log.
   */
  #wasEvent = false;
  readonly #doubled = new DoubledLines();
  /** True when a line of this log had the stamp of the kernel. */
  #hasStamps = false;

  constructor(headerAt: HeaderTest, take: (line: ReadLine) => void) {
    this.#headerAt = headerAt;
    this.#take = take;
  }

  /** True while a held line may open a report. Every next line is then needed, whatever it says. */
  get isHolding(): boolean {
    return this.#held.some(({ place }) => place.hasTrigger);
  }

  /** Takes the next line. `raw` is the line as latin1 without its newline; `before` returns the lines above it. */
  push(raw: string, place: LinePlace, before: () => readonly string[]): void {
    const isGap = this.#wasEvent && raw.trim() === '';
    this.#wasEvent = raw.startsWith('data: {');
    if (isGap || this.#doubled.isCopy(raw, place.number, place.hasTrigger)) return;
    const inner = this.#open(raw, place.hasTrigger);
    if (inner === undefined) return;
    if (inner.includes('replaying') && replay.test(readConsoleLine(inner).text)) {
      this.#held.pop();
      return;
    }
    const line = place.hasTrigger ? this.#read(inner) : undefined;
    const isStrange = line !== undefined && !this.#isPlain(line);
    const mayStray = line !== undefined && this.#isUnstamped(line, before);
    const wanted = isStrange || mayStray ? neighbours : 1;
    this.#hold({ inner, raw, place, before: isStrange ? before() : undefined, wanted });
  }

  /** True for a line with a header and without a stamp, in a log in which lines above have stamps. */
  #isUnstamped({ text, fromKernel }: ConsoleLine, before: () => readonly string[]): boolean {
    if (fromKernel || !this.#headerAt(text, false)) return false;
    this.#hasStamps ||= before().some((raw) => readConsoleLine(raw).fromKernel);
    return this.#hasStamps;
  }

  #hold(line: Held): void {
    const [only] = this.#held;
    // The usual case, without a queue: a single line is held, and it waits only for the next one.
    const isNext = only !== undefined && this.#held.length === 1 && only.wanted === 1;
    if (isNext && isTold(only) && isTold(line)) {
      this.#held[0] = line;
      this.#hand(only);
    } else {
      this.#held.push(line);
      this.#release(false);
    }
  }

  /** Passes on all lines that are held. */
  flush(): void {
    this.#release(true);
  }

  /** The message of a line. Undefined when the line is another part of a record, as in `dmesg --json`. */
  #open(raw: string, hasTrigger: boolean): string | undefined {
    if (hasTrigger) this.#format = formats.find(({ message }) => message.test(raw)) ?? this.#format;
    if (!this.#format) return raw;
    const { message, other, isJson } = this.#format;
    const text = message.exec(raw)?.[1];
    if (text === undefined && !other.test(raw)) {
      if (++this.#strangers >= formatPatience) this.#format = undefined;
      return raw;
    }
    this.#strangers = 0;
    return text !== undefined && isJson ? fromJsonString(text) : text;
  }

  /** Returns the line without the prefixes that are known so far. */
  #read(inner: string): ConsoleLine {
    const line = readConsoleLine(inner);
    const match = this.#learnt?.exec(line.text);
    if (!match) return line;
    const caller = /\[ {0,12}([TC]\d{1,10})\]/.exec(match[0])?.[1] ?? '';
    const text = withoutQuote(match[0], line.text.slice(match[0].length));
    return { ...line, text, caller: line.caller || caller };
  }

  /**
   * True when no prefix needs to be learnt for a line: either a header begins at the start of the text, or the words are not the
   * kernel's own.
   */
  #isPlain({ text, fromKernel }: ConsoleLine): boolean {
    return isRelayed(text) || this.#headerAt(text, fromKernel)?.at === 0;
  }

  #release(all: boolean): void {
    for (;;) {
      const [first] = this.#held;
      if (!first) return;
      if (!all && !this.#hasBelow(first.wanted)) return;
      this.#held.shift();
      if (first.before) this.#learn(first, first.before, this.#held);
      this.#hand(first);
    }
  }

  /** True when `wanted` lines with text are held below the first line. To bound the wait, many empty lines count as well. */
  #hasBelow(wanted: number): boolean {
    if (this.#held.length <= wanted) return false;
    if (this.#held.length > 2 * neighbours) return true;
    const told = this.#held.filter(isTold).length;
    return told > wanted;
  }

  #learn(header: Held, before: readonly string[], below: readonly Held[]): void {
    const { text, fromKernel } = readConsoleLine(header.inner);
    if (isRelayed(text)) return;
    const after = below.map(({ inner }) => readConsoleLine(inner).text);
    // The lines below the header are tried alone first: a column that names the task has another value in the lines above.
    const others = [after, [...before.map((raw) => readConsoleLine(raw).text), ...after]];
    const headerAt = (rest: string) => this.#headerAt(rest, fromKernel || after.length > 0)?.at;
    const most = headerAt(text) ?? text.length;
    const opens = (rest: string) =>
      text.length - rest.length <= most && headerAt(rest) !== undefined;
    for (const lines of others) {
      const prefix = learnPrefix(text, lines, opens);
      if (!prefix) continue;
      this.#learnt = prefix;
      return;
    }
  }

  #hand({ inner, raw, place, before }: Held): void {
    const { text: own, caller, fromKernel: isStamped } = this.#read(inner);
    const fromKernel = isStamped || (before !== undefined && this.#hasReport(ofReport));
    const { number, start, hasTrigger } = place;
    this.#hasStamps ||= isStamped;
    const mayStray = hasTrigger && this.#hasStamps && !fromKernel;
    const isHeader = mayStray && this.#headerAt(own, false) !== undefined;
    const isStray = isHeader && !this.#hasReport(hintsAtReport);
    const joined = hasTrigger || this.#wrapped > 0 ? this.#unwrap(own, fromKernel) : undefined;
    const { text, end } = joined ?? { text: own, end: place.end };
    this.#take({
      text,
      caller,
      isStamped,
      number,
      start,
      end,
      raw,
      fromKernel,
      hasTrigger,
      isStray,
    });
  }

  /**
   * Joins a line with the next line when a mail program or a terminal broke a line in two. The next line is then consumed. Returns
   * undefined when the lines are not joined.
   */
  #unwrap(text: string, fromKernel: boolean): { text: string; end: number } | undefined {
    const [next] = this.#held;
    const more = next && this.#read(next.inner);
    if (!next || !more || more.fromKernel || more.text.trim() === '') return undefined;
    const whole = joinHeader({ text, fromKernel, more: more.text }, this.#headerAt);
    if (whole === undefined && (this.#wrapped-- <= 0 || !fromKernel)) return undefined;
    if (whole !== undefined) this.#wrapped = wrappedLines;
    this.#held.shift();
    return { text: whole ?? `${text.trimEnd()} ${more.text.trimStart()}`, end: next.place.end };
  }

  /**
   * True when the lines below show that a header without a stamp is the kernel's: a line that fits `expected`, such as a stack
   * frame, comes before any line with a stamp. When `expected` is `ofReport`, the line also comes before any further header.
   */
  #hasReport(expected: RegExp): boolean {
    for (const { inner } of this.#held) {
      const { text, fromKernel } = this.#read(inner);
      if (fromKernel) return false;
      if (expected.test(text)) return true;
      if (expected === ofReport && this.#headerAt(text, false)) return false;
    }
    return false;
  }
}
