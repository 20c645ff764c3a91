import type { ReportLine } from './body.ts';
import { type ConsoleLine, isRelayed, readConsoleLine } from './console-line.ts';
import { learnPrefix } from './learnt-prefix.ts';
import { fromJsonString } from './markup.ts';
import { ofReport } from './open-report.ts';
import type { Rule } from './rules/rule.ts';

/** Where a line stands in the log. */
export interface LinePlace {
  /** 1-based. */
  readonly number: number;
  /** Its bytes, newline included. */
  readonly start: number;
  readonly end: number;
  /** It has a word of triggers.ts. */
  readonly hasTrigger: boolean;
}

/** A line without its prefix, and where it stands. */
export interface ReadLine extends ReportLine {
  /** As it stands in the log. */
  readonly raw: string;
  readonly fromKernel: boolean;
  readonly hasTrigger: boolean;
}

/** Lines on each side of one whose prefix is learnt. */
export const neighbours = 8;

/**
 * An nbcon console (Linux 7.3) that was taken away in the middle of a line prints the line again below this one
 * (kernel/printk/nbcon.c). What was printed of it before never happened.
 */
const replay = /\*\* replaying previous printk message \*\*\W*$/;

/** Formats that spend several lines on a message: `dmesg --json`, `journalctl -o json-pretty`, `verbose`, `export`. */
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
/** Lines of neither kind in a row: then the format is another one. */
const formatPatience = 3;

interface Held {
  /** Taken out of the envelope of its record. */
  readonly inner: string;
  readonly raw: string;
  readonly place: LinePlace;
  /** Lines before it; undefined when its prefix is known. */
  readonly before: readonly string[] | undefined;
}

/** Empty lines tell nothing. */
function isTold({ inner }: Held): boolean {
  return /\S/.test(inner);
}

/** Lines below a header that was broken in two in which others may be. */
const wrappedLines = 100;

/** Where in a text a header begins, and how particular it is: 0 is the most. */
export interface HeaderPlace {
  readonly at: number;
  readonly rank: number;
  /** Undefined for an event, and for the end of a report. */
  readonly rule?: Rule;
}

/** How a line reader asks whether a line opens a report. */
export type HeaderTest = (text: string, fromKernel: boolean) => HeaderPlace | undefined;

/**
 * Frees the lines of a console of what carried them, and hands them on in order: each one line late, for the next may say that
 * it is printed again, and one that may open a report under an unknown prefix `neighbours` lines late.
 */
export class LineReader {
  readonly #take: (line: ReadLine) => void;
  readonly #headerAt: HeaderTest;
  #held: Held[] = [];
  #learnt: RegExp | undefined;
  #format: (typeof formats)[number] | undefined;
  #strangers = 0;
  /** Lines for which it is known that long ones are broken. */
  #wrapped = 0;
  /** The line before was a server-sent event (journalctl -o json-sse); the empty line behind it is no line of the log. */
  #wasEvent = false;

  constructor(headerAt: HeaderTest, take: (line: ReadLine) => void) {
    this.#headerAt = headerAt;
    this.#take = take;
  }

  /** True while the next line matters, whatever it says: it is a neighbour of one that may open a report. */
  get isHolding(): boolean {
    return this.#held.some(({ place }) => place.hasTrigger);
  }

  /** `raw` is the line as latin1 without its newline; `before` gives the lines above it. */
  push(raw: string, place: LinePlace, before: () => readonly string[]): void {
    const isGap = this.#wasEvent && raw.trim() === '';
    this.#wasEvent = raw.startsWith('data: {');
    if (isGap) return;
    const inner = this.#open(raw, place.hasTrigger);
    if (inner === undefined) return;
    if (inner.includes('** replaying') && replay.test(readConsoleLine(inner).text)) {
      this.#held.pop();
      return;
    }
    const isStrange = place.hasTrigger && !this.#isPlain(inner);
    this.#hold({ inner, raw, place, before: isStrange ? before() : undefined });
  }

  #hold(line: Held): void {
    const [only] = this.#held;
    // The usual case, without a queue: one line is held that waits for the next alone.
    const isNext = only !== undefined && this.#held.length === 1 && only.before === undefined;
    if (isNext && isTold(only) && isTold(line)) {
      this.#held[0] = line;
      this.#hand(only);
    } else {
      this.#held.push(line);
      this.#release(false);
    }
  }

  /** Hands on what is held. */
  flush(): void {
    this.#release(true);
  }

  /** The message of a line; undefined when the line is another part of a record. */
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

  /** A line without its prefix, as far as that is known by now. */
  #read(inner: string): ConsoleLine {
    const line = readConsoleLine(inner);
    const match = this.#learnt?.exec(line.text);
    if (!match) return line;
    const caller = /\[ {0,12}([TC]\d{1,10})\]/.exec(match[0])?.[1] ?? '';
    return { ...line, text: line.text.slice(match[0].length), caller: line.caller || caller };
  }

  /** A header that begins where the text begins, or words that are not the kernel's. */
  #isPlain(inner: string): boolean {
    const { text, fromKernel } = this.#read(inner);
    return isRelayed(text) || this.#headerAt(text, fromKernel)?.at === 0;
  }

  #release(all: boolean): void {
    for (;;) {
      const [first] = this.#held;
      if (!first) return;
      const wanted = first.before === undefined ? 1 : neighbours;
      if (!all && !this.#hasBelow(wanted)) return;
      this.#held.shift();
      if (first.before) this.#learn(first, first.before, this.#held);
      this.#hand(first);
    }
  }

  /** Whether so many lines are held below the first; empty ones tell nothing, but do not hold up for ever. */
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
    // A column that names the task is the same below the header, and another above it.
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
    const fromKernel = isStamped || (before !== undefined && this.#hasReport(this.#held));
    const { number, start, hasTrigger } = place;
    const joined = hasTrigger || this.#wrapped > 0 ? this.#unwrap(own, fromKernel) : undefined;
    const { text, end } = joined ?? { text: own, end: place.end };
    this.#take({ text, caller, isStamped, number, start, end, raw, fromKernel, hasTrigger });
  }

  /** The line with the next one, where a mail program or a terminal broke it in two; the next one is used up. */
  #unwrap(text: string, fromKernel: boolean): { text: string; end: number } | undefined {
    const [next] = this.#held;
    const more = next && this.#read(next.inner);
    if (!next || !more || more.fromKernel || more.text.trim() === '') return undefined;
    const own = this.#headerAt(text, fromKernel)?.rank ?? Number.POSITIVE_INFINITY;
    const whole = [`${text.trimEnd()} ${more.text.trimStart()}`, text + more.text].find(
      (candidate) => {
        const header = this.#headerAt(candidate, fromKernel);
        return header !== undefined && header.at < text.trimEnd().length && header.rank < own;
      },
    );
    if (whole === undefined && (this.#wrapped-- <= 0 || !fromKernel)) return undefined;
    if (whole !== undefined) this.#wrapped = wrappedLines;
    this.#held.shift();
    return { text: whole ?? `${text.trimEnd()} ${more.text.trimStart()}`, end: next.place.end };
  }

  /** Whether the lines below one without a stamp are a report's, and no other header is before it. */
  #hasReport(below: readonly Held[]): boolean {
    for (const { inner } of below) {
      const { text, fromKernel } = this.#read(inner);
      if (fromKernel) return false;
      if (ofReport.test(text)) return true;
      if (this.#headerAt(text, false)) return false;
    }
    return false;
  }
}
