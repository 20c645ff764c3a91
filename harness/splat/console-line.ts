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

/** `<6>[   12.345678][  T123] text`; android also `[   12.345678] (0)[123:comm] text` and `[T123]` glued. */
const stamp =
  /^(?:[^[]|\[(?! *\+?\d+\.\d)){0,160}?(?:<\d{1,3}>)?\[ {0,8}\+?\d{1,9}\.\d{3,9}\](?:\[ {0,8}([TC]\d{1,10})\])?(?:\([0-9]\)\[\d+:[^\]]{1,20}\])? ?/;

/** The usual line: nothing before the stamp. */
const plainStamp = /^\[ {0,8}\d{1,9}\.\d{6}\](?:\[ {0,8}([TC]\d{1,10})\])? /;

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
  /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] /,
  /^\[[^\][]{0,40}\d\d:\d\d:\d\d[^\][]{0,20}\] /,
];
/** What the kernel prints of others: audit records, its command line, programs writing to /dev/kmsg, test comments. */
const relayed =
  /^(?:audit: |audit\(|(?:Kernel )?[Cc]ommand line: |\s*# |\+ |(?!kernel\b)[\w@.-]{1,32}\[\d+\]: )/;

/** Whether a line's words are not the kernel's own, though the kernel may have printed it. */
export function isRelayed(text: string): boolean {
  return relayed.test(text);
}

const startsWrapped = /^(?:[>\d<[]|[A-Z][a-z]{2} [ \d]|[\w.-]{0,64} ?kernel: )/;
const levelMark = /^(?:.{0,20})<\d{1,3}>/;

/** `raw` is one line without its newline, as latin1 or real text; cost is linear in its length. */
export function readConsoleLine(raw: string): ConsoleLine {
  let text = controls.test(raw) ? raw.replace(escapes, '') : raw;
  const match = plainStamp.exec(text) ?? stamp.exec(text);
  if (match) {
    return { text: text.slice(match[0].length), caller: match[1] ?? '', fromKernel: true };
  }
  let fromKernel = levelMark.test(text);
  for (let round = 0; round < 4 && startsWrapped.test(text); round++) {
    const before = text;
    for (const wrapper of wrappers) text = text.replace(wrapper, '');
    if (text === before) break;
    fromKernel ||= / kernel: |^\d+,\d+,/.test(before);
  }
  return { text, caller: '', fromKernel };
}
