import { hasMarkup, withoutMarkup, withSymbols } from './markup.ts';

/**
 * One line of a console log without what transports wrapped around it: ANSI escapes, mail quoting, syslog, journald,
 * Android, netconsole and harness prefixes, printk's level, time and caller.
 */
export interface ConsoleLine {
  readonly text: string;
  /** printk's caller, `T123` (task) or `C1` (CPU in interrupt); CONFIG_PRINTK_CALLER, Linux 5.0 and later. */
  readonly caller: string;
  /** True when printk's time stamp or level was there: the kernel wrote this line, not a program. */
  readonly fromKernel: boolean;
}

// CSI, OSC and two-byte escapes (ECMA-48); a stray ESC goes too.
// oxlint-disable-next-line no-control-regex
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])?|[\0\r\x07]/g;
// oxlint-disable-next-line no-control-regex
const controls = /[\0\r\x07\x1b]/;

/**
 * `12.345678`, `+0.000003`, `12.345678s`; what dmesg and journalctl add of the time since, `12.345678 <    0.000003>`; the first
 * line of a minute by `dmesg -e`, `Jan 2 03:04`.
 */
const clock = String.raw`(?: {0,8}\+?\d{1,9}\.\d{3,9}s?(?: {1,2}<[ \d.]{1,20}>?| {4,24})? ?>?|[A-Z][a-z]{2} {0,2}\d{1,2} \d\d:\d\d)`;
/** `[  T123]` glued, as the kernel prints it, or apart, as dmesg does. */
const callerColumn = String.raw`(?: ?\[ {0,12}([TC]\d{1,10})\])?`;
/** What is before the clock: anything short, without a clock of its own. */
const stampHead = String.raw`(?:[^[]|\[(?! *\+?\d+\.\d)){0,160}?`;

/** `<6>[   12.345678][  T123] text`; android also `[   12.345678] (0)[123:comm] text` and `[T123]` glued. */
const stamp = new RegExp(
  String.raw`^${stampHead}(?:<\d{1,3}>)?\[${clock}\]${callerColumn}(?:\([0-9]\)\[\d+:[^\]]{1,20}\])? ?`,
);
/** The usual line: nothing before the stamp. */
const plainStamp = /^\[ {0,8}\d{1,9}\.\d{6}\](?:\[ {0,8}([TC]\d{1,10})\])? (?! ?\[)/;
/** A second clock, of a program that read the serial line, or of the kernel below it; the first bracket lost in copying. */
const nextStamp = new RegExp(String.raw`^(?:<\d{1,3}>)?\[${clock}\]${callerColumn} ?`);
const bareStamp = /^ {0,8}\d{1,9}\.\d{6}\](?: ?\[ {0,12}([TC]\d{1,10})\])? ?/;
/** journalctl puts the machine's clock before the name of the host. */
const hostBelow = /^[\w.<>*-]{1,64} kernel(?:\[\d+\])?:(?: |$)/;

/** Levels and facilities by their names: `kern  :warn  : `, `kern.warn `. */
const facility =
  /^(?:kern|user|daemon|syslog|local\d) *[.:] *(?:emerg|panic|alert|crit|err(?:or)?|warn(?:ing)?|notice|info|debug) *:? /;
/** syslog of RFC 5424, its structured data empty or not. */
const rfc5424 =
  /^(?:<\d{1,3}>)?1 \S{1,40} \S{1,255} kernel \S{1,128} \S{1,32} (?:-|\[[^\]]{0,400}\])(?: (?:\xef\xbb\xbf)?|$)/;

/** Where no printk stamp is: what loggers put in front. Tried in order, repeatedly, each at the start of the line. */
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

/** The name of the kernel among the services of syslog and the journal. */
const kernelTag = /(?:^| )kernel(?:\[\d+\])?:(?: |$)/;
/** Before it: at most so many characters and words, one of them a time; or one word, the host. */
const mostBefore = { characters: 160, words: 9 };
const hasTime = /\d{1,2}:\d\d|\d{4,}\.\d/;

/** What the kernel prints of others: audit records, its command line, programs writing to /dev/kmsg, test comments. */
const relayed =
  /^(?:audit: |audit\(|(?:Kernel )?[Cc]ommand line: |\s*# |\+ |(?:[\w.-]{1,64} )?(?!kernel\b)[\w@.-]{1,32}\[\d+\]: )/;

/** Whether a line's words are not the kernel's own, though the kernel may have printed it. */
export function isRelayed(text: string): boolean {
  return relayed.test(text);
}

const startsWrapped =
  /^(?:[>\d<[]|[A-Z][a-z]{2} [ \d]|[\w.-]{0,64} ?kernel: |std(?:out|err) |(?:kern|user|daemon|syslog|local\d) *[.:])/;
const levelMark = /^(?:.{0,20})<\d{1,3}>/;

/** The line from behind its first `kernel: `, when a time or a host stands before that. */
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

/** `raw` is one line without its newline, as latin1 or real text; cost is linear in its length. */
export function readConsoleLine(raw: string): ConsoleLine {
  let text = controls.test(raw) ? raw.replace(escapes, '') : raw;
  if (hasMarkup.test(text)) text = withoutMarkup(text);
  const line = withoutPrefix(text);
  if (!line.text.includes('(')) return line;
  const named = withSymbols(line.text);
  return named === line.text ? line : { ...line, text: named };
}

function withoutPrefix(whole: string): ConsoleLine {
  let text = whole;
  const plain = plainStamp.exec(text);
  if (plain) return afterStamp(text, plain, true);
  const match = stamp.exec(text) ?? bareStamp.exec(text);
  if (match) return afterStamp(text, match, false);
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
