import { hasMarkup, withoutMarkup, withoutQuote, withSymbols } from './markup.ts';

/**
 * One line of a console log without its prefixes. The prefixes are ANSI escapes, printk's level, time and caller, and what other
 * programs put before the line: quotes in a mail, syslog, journald, Android, netconsole, test harnesses.
 */
export interface ConsoleLine {
  readonly text: string;
  /**
   * The printk caller: `T123` for a task, `C1` for a CPU in an interrupt. Kernels since Linux 5.0 print the caller with
   * CONFIG_PRINTK_CALLER. An empty string when the line names no caller.
   */
  readonly caller: string;
  /** True when the kernel wrote the line, not a program: the line had printk's time stamp or level, or syslog's tag `kernel:`. */
  readonly fromKernel: boolean;
}

// CSI, OSC and two-byte escapes (ECMA-48), and a stray ESC.
// oxlint-disable-next-line no-control-regex
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])?|[\0\r\x07]/g;
// oxlint-disable-next-line no-control-regex
const controls = /[\0\r\x07\x1b]/;

/**
 * The clock in a stamp: `12.345678`, `+0.000003` or `12.345678s`. dmesg and journalctl add the time since the last line:
 * `12.345678 <    0.000003>`. In `dmesg -e`, the first line of a minute has `Jan 2 03:04`.
 */
const clock = String.raw`(?: {0,8}\+?\d{1,9}\.\d{3,9}s?(?: {1,2}<[ \d.]{1,20}>?| {4,24})? ?>?|[A-Z][a-z]{2} {0,2}\d{1,2} \d\d:\d\d)`;
/** The caller, directly behind the clock as the kernel prints it (`[  T123]`), or after a blank as dmesg prints it. */
const callerColumn = String.raw`(?: ?\[ {0,12}([TC]\d{1,10})\])?`;
/** The text before the clock: anything short that does not contain a clock. */
const stampHead = String.raw`(?:[^[]|\[(?! *\+?\d+\.\d)){0,160}?`;

/** A stamp, as in `<6>[   12.345678][  T123] text`. Android also prints `[   12.345678] (0)[123:comm] text`. */
const stamp = new RegExp(
  String.raw`^${stampHead}(?:<\d{1,3}>)?\[${clock}\]${callerColumn}(?:\([0-9]\)\[\d+:[^\]]{1,20}\])? ?`,
);
/** The usual stamp at the start of a line: `[   12.345678][  T123] `. */
const plainStamp = /^\[ {0,8}\d{1,9}\.\d{6}\](?:\[ {0,8}([TC]\d{1,10})\])? (?! ?\[)/;
/** A second stamp, behind the first. The first is then from a program that read the serial line, or from another kernel. */
const nextStamp = new RegExp(String.raw`^(?:<\d{1,3}>)?\[${clock}\]${callerColumn} ?`);
/** A stamp whose first bracket was lost in copying. */
const bareStamp = /^ {0,8}\d{1,9}\.\d{6}\](?: ?\[ {0,12}([TC]\d{1,10})\])? ?/;
/**
 * The host name and the kernel's tag behind a clock, as in `myhost kernel: `. journalctl puts the machine's clock before them.
 */
const hostBelow = /^[\w.<>*-]{1,64} kernel(?:\[\d+\])?:(?: |$)/;

/** The names of level and facility before a line: `kern  :warn  : `, `kern.warn `. */
const facility =
  /^(?:kern|user|daemon|syslog|local\d) *[.:] *(?:emerg|panic|alert|crit|err(?:or)?|warn(?:ing)?|notice|info|debug) *:? /;
/** The header of a syslog line (RFC 5424), with or without structured data. */
const rfc5424 =
  /^(?:<\d{1,3}>)?1 \S{1,40} \S{1,255} kernel \S{1,128} \S{1,32} (?:-|\[[^\]]{0,400}\])(?: (?:\xef\xbb\xbf)?|$)/;

/**
 * The prefixes that loggers put before a line. They are removed from a line without a printk stamp, in this order and repeatedly.
 */
const wrappers: readonly RegExp[] = [
  /^(?:> ?)+/,
  /^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? /,
  /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d /,
  /^[\w.-]{1,64} kernel: /,
  /^kernel: /,
  /^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +(?:\d+ +\d+ +)?[VDIWEF][/ ] *\w*\s*(?:\( *\d+\))?: /,
  /^\d+,\d+,\d+,[-c](?:,caller=[TC]\d+)?;/,
  /^<\d{1,3}>/,
  facility,
  /^std(?:out|err) [FP] /,
  /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}(?: {1,2}<[ \d.]{1,20}>?)?\] /,
  /^\[< {0,12}\d{1,9}\.\d{1,9}>\] /,
  /^\[[^\][]{0,40}\d\d:\d\d:\d\d[^\][]{0,20}\] /,
];

/** The kernel's tag in a line of syslog or of the journal. */
const kernelTag = /(?:^| )kernel(?:\[\d+\])?:(?: |$)/;
/**
 * The longest text that may stand before the tag `kernel:`. A single word before the tag is the host. Several words are accepted
 * only when one of the words is a time.
 */
const mostBefore = { characters: 160, words: 9 };
const hasTime = /\d{1,2}:\d\d|\d{4,}\.\d/;

/**
 * Lines in which the kernel repeats words that are not its own: audit records, its command line, lines that programs write to
 * /dev/kmsg, comments of tests.
 */
const relayed =
  /^(?:audit: |audit\(|(?:Kernel )?[Cc]ommand line: |\s*# |\+ |(?:[\w.-]{1,64} )?(?!kernel\b)[\w@.-]{1,32}\[\d+\]: )/;

/** True when the words of a line are not the kernel's own, although the kernel may have printed them. */
export function isRelayed(text: string): boolean {
  return relayed.test(text);
}

const startsWrapped =
  /^(?:[>\d<[]|[A-Z][a-z]{2} [ \d]|[\w.-]{0,64} ?kernel: |std(?:out|err) |(?:kern|user|daemon|syslog|local\d) *[.:])/;
const levelMark = /^(?:.{0,20})<\d{1,3}>/;

/**
 * The text behind the first `kernel: ` of a line. Undefined when the line has no such tag, or when more than a time and a host
 * stands before the tag.
 */
function afterKernelTag(text: string): string | undefined {
  const match = text.includes('kernel') ? kernelTag.exec(text) : null;
  if (!match || match.index > mostBefore.characters) return undefined;
  const words = text.slice(0, match.index).trim().split(/ +/);
  if (words.length > mostBefore.words) return undefined;
  const isPrefix = words.length <= 1 || words.some((word) => hasTime.test(word));
  return isPrefix ? text.slice(match.index + match[0].length) : undefined;
}

function afterProtocol(text: string): string | undefined {
  const match = text.includes(' kernel ') ? rfc5424.exec(text) : null;
  return match ? text.slice(match[0].length) : undefined;
}

function afterStamp(text: string, match: RegExpExecArray, isPlain: boolean): ConsoleLine {
  let rest = text.slice(match[0].length);
  let caller = match[1] ?? '';
  if (isPlain && !rest.includes('kernel:')) return { text: rest, caller, fromKernel: true };
  for (let round = 0; round < 4; round++) {
    const next = nextStamp.exec(rest) ?? hostBelow.exec(rest) ?? facility.exec(rest);
    if (!next) break;
    rest = rest.slice(next[0].length);
    caller ||= next[1] ?? '';
  }
  return { text: rest, caller, fromKernel: true };
}

/**
 * Characters that web pages and mail programs put in place of a blank and of the x in `0x10`: a no-break space and a multiplication
 * sign, in UTF-8 that is read as latin1.
 */
const typeset = /\xc2\xa0|\xc3\x97/;

function withoutTypesetting(text: string): string {
  return text.replaceAll('\xc2\xa0', ' ').replace(/\b0\xc3\x97(?=[0-9a-f])/g, '0x');
}

/**
 * The prefix that kmemleak puts before each line of a leak when kmemleak prints leaks to the console
 * (kmemleak.verbose, mm/kmemleak.c).
 */
const ofKmemleak = /^kmemleak: (?=unreferenced object | {2})/;

function withoutKmemleak(line: ConsoleLine): ConsoleLine {
  if (!line.text.startsWith('kmemleak: ')) return line;
  return { ...line, text: line.text.replace(ofKmemleak, '') };
}

/**
 * Removes prefix, escapes and markup from a line. `raw` is one line without its newline, as latin1 or as decoded text. The time
 * taken is linear in the length of the line.
 */
export function readConsoleLine(raw: string): ConsoleLine {
  let text = controls.test(raw) ? raw.replace(escapes, '') : raw;
  if (hasMarkup.test(text)) text = withoutMarkup(text);
  if (typeset.test(text)) text = withoutTypesetting(text);
  const line = withoutKmemleak(withoutPrefix(text));
  if (!line.text.includes('(')) return line;
  const named = withSymbols(line.text);
  return named === line.text ? line : { ...line, text: named };
}

/** The quote in front of a stamp: the line is an element of a list, such as `"[   12.345678] text",`. */
const quoted = /^[^["']{0,40}["'](?=(?:<\d{1,3}>)?\[)/;

function withoutQuotes(raw: string, line: ConsoleLine): ConsoleLine {
  const quote = quoted.exec(raw)?.[0];
  return quote === undefined ? line : { ...line, text: withoutQuote(quote, line.text) };
}

function withoutPrefix(whole: string): ConsoleLine {
  let text = whole;
  const plain = plainStamp.exec(text);
  if (plain) return afterStamp(text, plain, true);
  const match = stamp.exec(text) ?? bareStamp.exec(text);
  if (match) return withoutQuotes(text, afterStamp(text, match, false));
  const tagged = afterKernelTag(text) ?? afterProtocol(text);
  let fromKernel = tagged !== undefined || levelMark.test(text);
  text = tagged ?? text;
  for (let round = 0; round < 4 && startsWrapped.test(text); round++) {
    const before = text;
    for (const wrapper of wrappers) text = text.replace(wrapper, '');
    if (text === before) break;
    fromKernel ||= / kernel: |^\d+,\d+,|^kern *[.:]/.test(before);
  }
  return { text, caller: '', fromKernel };
}
