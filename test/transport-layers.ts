/** The layers of transports.ts: what each tool adds to a line. */

/** A line of a console before any tool has added to it. */
export interface BareLine {
  readonly text: string;
  /** The caller that printk prints, or an empty string. */
  readonly caller: string;
}

type Carry = (line: BareLine, index: number) => string;

export interface Layer {
  readonly name: string;
  readonly carry: Carry;
  readonly isMarked?: true;
  readonly hasCaller?: true;
}

const startedAt = 100;

function seconds(index: number): string {
  return (startedAt + index / 1000).toFixed(6);
}

export function stamp(index: number): string {
  return `[${seconds(index).padStart(12)}]`;
}

export function callerOf({ caller }: BareLine): string {
  return caller === '' ? '' : `[${caller.padStart(6)}]`;
}

/** A time such as `03:04:05.000012`, later with each line. */
function time(index: number, digits = 6): string {
  return new Date(Date.UTC(2024, 0, 2, 3, 4, 5) + index)
    .toISOString()
    .slice(11, 19)
    .concat(digits === 0 ? '' : `.${String(index).padStart(6, '0').slice(0, digits)}`);
}

/** What the kernel or dmesg puts before a line. */
export const clocks: readonly Layer[] = [
  { name: 'bare', carry: ({ text }) => text },
  { name: 'printk', isMarked: true, carry: ({ text }, index) => `${stamp(index)} ${text}` },
  {
    name: 'printk with caller',
    isMarked: true,
    hasCaller: true,
    carry: (line, index) => `${stamp(index)}${callerOf(line)} ${line.text}`,
  },
  {
    name: 'dmesg with caller',
    isMarked: true,
    hasCaller: true,
    carry: (line, index) =>
      `${stamp(index)} ${callerOf(line)}${line.caller === '' ? '' : ' '}${line.text}`,
  },
  { name: 'raw', isMarked: true, carry: ({ text }, index) => `<4>${stamp(index)} ${text}` },
  {
    name: 'dmesg -x',
    isMarked: true,
    carry: ({ text }, index) =>
      `kern  :${['warn  ', 'err   ', 'info  '][index % 3]}: ${stamp(index)} ${text}`,
  },
  { name: 'dmesg -x -t', isMarked: true, carry: ({ text }) => `kern  :alert : ${text}` },
  {
    name: 'dmesg -d',
    isMarked: true,
    carry: ({ text }, index) => `[${seconds(index).padStart(12)} <    0.001000>] ${text}`,
  },
  {
    name: 'dmesg -T',
    carry: ({ text }, index) => `[Tue Jan  2 ${time(index, 0)} 2024] ${text}`,
  },
  {
    name: 'dmesg --time-format iso',
    carry: ({ text }, index) => `2024-01-02T${time(index).replace('.', ',')}+00:00 ${text}`,
  },
  {
    name: 'dmesg -e',
    isMarked: true,
    carry: ({ text }, index) => `${index === 0 ? '[Jan 2 03:04]' : '[  +0.001000]'} ${text}`,
  },
];

/** What the kernel of a vendor puts between the time and the text. */
export const columns: readonly Layer[] = [
  { name: '[pid:..,cpu..,comm]', carry: ({ text }) => `[pid:412,cpu3,kworker/3:1]${text}` },
  { name: '[cpu: comm: pid]', carry: ({ text }) => `[3:    kworker/3:1:  412] ${text}` },
  { name: '(cpu)[pid:comm]', carry: ({ text }) => `(3)[412:kworker/3:1]${text}` },
  { name: '<irq>.(cpu)[pid:comm]', carry: ({ text }) => `<0>.(3)[412:kworker/3:1]${text}` },
  { name: 'cN pid (comm)', carry: ({ text }) => `c3    412 (kworker/3:1) ${text}` },
  { name: 'CPUn: ', carry: ({ text }) => `CPU3: ${text}` },
  { name: '[I|comm, pid]', carry: ({ text }, index) => `[${'IWE'[index % 3]}|demo, 412] ${text}` },
  {
    name: '[date][pid..]',
    carry: ({ text }, index) => `[2024:01:02 ${time(index, 0)}][pid:412,cpu3,demo]${text}`,
  },
];

/** What a logger puts before a line. */
export const loggers: readonly Layer[] = [
  { name: 'none', carry: ({ text }) => text },
  {
    name: 'syslog',
    isMarked: true,
    carry: ({ text }, i) => `Jan  2 ${time(i, 0)} host1 kernel: ${text}`,
  },
  {
    name: 'syslog, tag with pid',
    isMarked: true,
    carry: ({ text }, i) => `Jan  2 ${time(i, 0)} host1 kernel[0]: ${text}`,
  },
  {
    name: 'syslog, no host',
    isMarked: true,
    carry: ({ text }, i) => `Jan  2 ${time(i, 0)} kernel: ${text}`,
  },
  {
    name: 'syslog, time alone',
    isMarked: true,
    carry: ({ text }, i) => `${time(i, 0)} kernel: ${text}`,
  },
  {
    name: 'syslog, host hidden',
    isMarked: true,
    carry: ({ text }, i) => `Jan  2 ${time(i, 0)} <hostname> kernel: ${text}`,
  },
  {
    name: 'syslog, host starred',
    isMarked: true,
    carry: ({ text }, i) => `Jan  2 ${time(i, 0)} *** kernel: ${text}`,
  },
  {
    name: 'syslog, Russian month',
    isMarked: true,
    carry: ({ text }, i) => `июл 27 ${time(i, 0)} host1 kernel: ${text}`,
  },
  {
    name: 'syslog, Japanese month',
    isMarked: true,
    carry: ({ text }, i) => `1月 02 ${time(i, 0)} host1 kernel: ${text}`,
  },
  {
    name: 'syslog, German month',
    isMarked: true,
    carry: ({ text }, i) => `Mär 02 ${time(i, 0)} host1 kernel: ${text}`,
  },
  {
    name: 'syslog, French month',
    isMarked: true,
    carry: ({ text }, i) => `févr. 02 ${time(i, 0)} host1 kernel: ${text}`,
  },
  {
    name: 'rsyslog, ISO',
    isMarked: true,
    carry: ({ text }, i) => `2024-01-02T${time(i)}+01:00 host1 kernel: ${text}`,
  },
  {
    name: 'RFC 5424',
    isMarked: true,
    carry: ({ text }, i) => `<4>1 2024-01-02T${time(i)}Z host1 kernel - - - ${text}`,
  },
  {
    name: 'RFC 5424, BOM',
    isMarked: true,
    carry: ({ text }, i) => `1 2024-01-02T${time(i)}Z host1 kernel - - [x@1 y="z"] \ufeff${text}`,
  },
  {
    name: 'facility, UTC',
    isMarked: true,
    carry: ({ text }, i) => `2024-01-02 ${time(i, 0)} +0000 UTC kern.warn kernel: ${text}`,
  },
  {
    name: 'facility, logread',
    isMarked: true,
    carry: ({ text }, i) => `Tue Jan  2 ${time(i, 0)} 2024 kern.alert kernel: ${text}`,
  },
  {
    name: 'journal short-precise',
    isMarked: true,
    carry: ({ text }, i) => `Jan 02 ${time(i)} host1 kernel: ${text}`,
  },
  {
    name: 'journal short-full',
    isMarked: true,
    carry: ({ text }, i) => `Tue 2024-01-02 ${time(i, 0)} CET host1 kernel: ${text}`,
  },
  {
    name: 'journal short-iso',
    isMarked: true,
    carry: ({ text }, i) => `2024-01-02T${time(i, 0)}+0100 host1 kernel: ${text}`,
  },
  {
    name: 'journal short-unix',
    isMarked: true,
    carry: ({ text }, i) => `1704164645.${String(i).padStart(6, '0')} host1 kernel: ${text}`,
  },
  {
    name: 'journal short-monotonic',
    isMarked: true,
    carry: ({ text }, i) => `${stamp(i)} host1 kernel: ${text}`,
  },
  {
    name: 'journal short-delta',
    isMarked: true,
    carry: ({ text }, i) => `[${seconds(i).padStart(12)} <    0.001000 >] host1 kernel: ${text}`,
  },
  { name: 'CRI', carry: ({ text }, i) => `2024-01-02T${time(i)}789Z stdout F ${text}` },
  { name: 'compose', carry: ({ text }) => `console_1  | ${text}` },
  { name: 'bracketed time', carry: ({ text }, i) => `[2024-01-02 ${time(i, 3)}] ${text}` },
  { name: 'bracketed clock', carry: ({ text }, i) => `[${time(i, 3)}] ${text}` },
  { name: 'time and arrow', carry: ({ text }, i) => `${time(i, 3)} -> ${text}` },
  { name: 'date and time', carry: ({ text }, i) => `2024/01/02 ${time(i, 0)} ${text}` },
  { name: 'ts', carry: ({ text }, i) => `Jan 02 ${time(i, 0)} ${text}` },
  { name: 'ts -s', carry: ({ text }, i) => `00:00:0${i % 10} ${text}` },
  { name: 'port', carry: ({ text }) => `ttyUSB0: ${text}` },
  {
    name: 'lab',
    carry: ({ text }, i) => `2024-01-02 ${time(i, 3)} INFO board-3/console | ${text}`,
  },
  { name: 'line numbers', carry: ({ text }, i) => `${String(1000 + i)}: ${text}` },
  { name: 'grep -n', carry: ({ text }, i) => `console.log:${1000 + i}:${text}` },
  { name: 'logcat', carry: ({ text }, i) => `01-02 ${time(i, 3)}     0     0 I kernel  : ${text}` },
  { name: 'logcat brief', carry: ({ text }) => `W/kernel  (    0): ${text}` },
  { name: 'tabs and blanks', carry: ({ text }, i) => `[${time(i, 0)}]W:\t [Step 1/2] ${text}` },
  {
    name: 'grep -n -A',
    carry: ({ text }, i) => `${1000 + i}${i === 0 ? ':' : '-'}${text}`,
  },
  { name: 'list of quoted lines', carry: ({ text }) => `        "${text}",` },
  { name: 'list of Python', carry: ({ text }) => `'${text}',` },
];

export const kmsg: Layer = {
  name: '/dev/kmsg',
  isMarked: true,
  carry: ({ text }, i) => `4,${100 + i},${100_000 + i},-;${text}`,
};

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** What is done to whole lines at the end. */
export const wraps: readonly {
  readonly name: string;
  readonly wrap: (line: string, index: number) => string;
}[] = [
  { name: '', wrap: (line) => line },
  { name: 'CRLF', wrap: (line) => `${line}\r` },
  { name: 'quoted', wrap: (line) => `> ${line}` },
  { name: 'quoted twice', wrap: (line) => `> > ${line}` },
  { name: 'indented', wrap: (line) => `    ${line}` },
  { name: 'HTML', wrap: escapeHtml },
  { name: 'HTML, no-break spaces', wrap: (line) => escapeHtml(line).replaceAll(' ', '&nbsp;') },
  { name: 'HTML with breaks', wrap: (line) => `${escapeHtml(line)}<br />` },
  { name: 'coloured', wrap: (line) => `\x1b[33m${line}\x1b[0m` },
  {
    name: 'docker JSON',
    wrap: (line, i) =>
      JSON.stringify({ log: `${line}\n`, stream: 'stdout', time: `2024-01-02T${time(i)}Z` }),
  },
  { name: 'trailing blank', wrap: (line) => `${line} ` },
];

/** Formats that have several lines, or one object, for each message. */
export const records: readonly {
  readonly name: string;
  readonly wrap: (line: string, index: number) => string;
}[] = [
  {
    name: 'journal json',
    wrap: (MESSAGE, i) =>
      JSON.stringify({
        __CURSOR: `s=${i}`,
        PRIORITY: '4',
        SYSLOG_IDENTIFIER: 'kernel',
        MESSAGE,
        _TRANSPORT: 'kernel',
      }),
  },
  ...['textPayload', 'short_message', '@message', 'Message', 'original'].map((name) => ({
    name: `JSON, ${name}`,
    wrap: (line: string, i: number) => JSON.stringify({ id: `${i}`, level: 4, [name]: line }),
  })),
  {
    name: 'JSON with blanks',
    wrap: (message) => JSON.stringify({ message }).replace('{"message":', '{ "message" : '),
  },
  {
    name: 'journal json-sse',
    wrap: (MESSAGE) => `data: ${JSON.stringify({ PRIORITY: '4', MESSAGE })}\n`,
  },
  {
    name: 'journal json-seq',
    wrap: (MESSAGE) => `\x1e${JSON.stringify({ PRIORITY: '4', MESSAGE })}`,
  },
  {
    name: 'journal json-pretty',
    wrap: (MESSAGE, i) =>
      JSON.stringify({ __CURSOR: `s=${i}`, PRIORITY: '4', MESSAGE, _BOOT_ID: 'a' }, null, 8),
  },
  {
    name: 'journal verbose',
    wrap: (line, i) =>
      `Tue 2024-01-02 ${time(i)} UTC [s=${i};i=1]\n    PRIORITY=4\n    SYSLOG_IDENTIFIER=kernel\n    MESSAGE=${line}\n    _TRANSPORT=kernel`,
  },
  {
    name: 'journal export',
    wrap: (line, i) =>
      `__CURSOR=s=${i}\n__REALTIME_TIMESTAMP=17041646450\nPRIORITY=4\nMESSAGE=${line}\n_TRANSPORT=kernel\n`,
  },
  {
    name: 'dmesg --json',
    wrap: (msg, i) =>
      `${i === 0 ? '{\n   "dmesg": [\n      ' : ''}{\n         "pri": 4,\n         "time": ${seconds(i)},\n         "msg": ${JSON.stringify(msg)}\n      },`,
  },
];
