import type { StackFrame } from '../records/finding.ts';
import { type FrameLine, frameWithin, readFrame } from './frames.ts';

/** One line of a report, without its prefix, and its place in the log. */
export interface ReportLine {
  readonly text: string;
  /** The printk caller, or the empty string. */
  readonly caller: string;
  /** True when the line had printk's time or level, or syslog's tag `kernel:`. */
  readonly isStamped: boolean;
  /** The number of the line in the log, from 1. */
  readonly number: number;
  /** The positions in the log, in bytes, of the line's first byte and after its newline. */
  readonly start: number;
  readonly end: number;
}

/**
 * What a section is: the head of the report, a stack of one of several kinds, or lines whose frames are not to blame (`other`).
 */
export type SectionKind = 'head' | 'trace' | 'alloc' | 'free' | 'origin' | 'chain' | 'other';

/** A frame, and the line that names it. */
export interface SectionFrame {
  readonly frame: StackFrame;
  readonly line: ReportLine;
  /** True when the unwinder marked the frame as uncertain. */
  readonly questionable: boolean;
  /** True when the frame comes from a register line (RIP, pc), not from the unwinder. */
  readonly pc: boolean;
}

/** A part of a report: the line that begins it (`heading`), and the frames in it. */
export interface Section {
  readonly kind: SectionKind;
  readonly heading: ReportLine;
  readonly frames: SectionFrame[];
  /** The number of lines below the heading, without those that name the program counter. */
  length: number;
  /** True for the stack of a CPU that does not answer, as the CPU left it: `Task dump for CPU 1:` (kernel/rcu/tree_stall.h). */
  readonly isDump?: true;
}

/** The lines that begin a section; the first match wins. */
const headings: readonly (readonly [RegExp, SectionKind])[] = [
  [
    /^\s*(?:<\w+>)?\s*(?:Call [Tt]race|Trace|CPU: \d+ .* Call Trace):?|^NMI backtrace for cpu/,
    'trace',
  ],
  [
    /\b(?:[Bb]acktrace|stack backtrace|Call [Tt]race|stack trace):\s*(?:\(|$)|^Backtrace: ?/,
    'trace',
  ],
  [
    /^(?:read|write|race at unknown origin|assert no accesses|read-write)\b.* (?:to 0x|of \d+ bytes|\(marked\)|by (?:task|interrupt))|^\s*(?:read|write) to 0x/,
    'trace',
  ],
  [
    /^\s*(?:Allocated by task|allocated by task|page last allocated|(?:INFO: )?Allocated in|Allocated:)|^kfence-#\d+/,
    'alloc',
  ],
  [
    /^\s*(?:Freed by task|freed by task|page last free|(?:INFO: )?Freed in|Freed:|Last potentially|Second to last)/,
    'free',
  ],
  [/^\s*(?:Uninit was (?:created|stored)|Local variable|chained origin|origin:)/, 'origin'],
  [/^\s*(?:-> #\d+|(?:\.\.\. )?which became)/, 'chain'],
  [
    /^\s*(?:\{[\w -]+\} state was registered|\.\.\. (?:key|acquired)|the (?:existing|shortest|dependencies)|to a [\w-]+ lock|Preemption disabled at|RCU grace-period kthread|rcu: RCU grace-period kthread|Showing all locks|Stack dump where RCU GP|rcu: Stack dump where)/,
    'other',
  ],
];
const sectionEnd =
  /---\[ end trace|^Kernel panic - |^Rebooting in|^\s*<\/TASK>|^\s*RIP: (?:0033|0023|002b):(?!\w+\+0x)/;

/**
 * The lines that name the program counter: `RIP: 0010:f+0x1/0x2`, `pc : f+0x1/0x2`, `PC is at f+0x1/0x2`,
 * `NIP [c0001234] f+0x1/0x2`, `epc : f+0x1/0x2`, the PSW of s390, and those of show_regs() of the other architectures.
 * `RIP: 0033:` is the code segment of programs, in which the kernel of user-mode Linux runs. For a program, the line has this
 * segment too, but no symbol.
 */
const programCounter =
  /^\s*(?:RIP: (?:0010|e030|0060|0033):|RIP: +\[<|RIP +\[<|EIP: |EIP is at |IP: |pc : |pc: [0-9a-f]{8,16}: |PC: (?:\[?<|0x[0-9a-f]{8,16} \()|(?:PC|pc|ip) is at |NIP \[|epc ?: |epc   : |(?:ERA|era *): |IAOQ\[0\]: |TPC: ?<|Krnl PSW : .*\(|RIP: 0010:\[<)/;

const headingHint =
  /race|llocated|Freed|Trace|freed|Uninit|Local|->|state was|acquired|which|lock|kfence|read|write|page last|irq|Preempt|Showing|tentially|last|the |page_owner|origin|kthread|NMI/;

/** The stack of the grace-period kthread shows who waits for the stalled CPU, not what the CPU does. */
const kthreadDump = /RCU grace-period kthread stack dump/;

const ofCpu = /^CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: /;

const taskDump = /^(?:rcu: )?Task dump for CPU \d+/;

function headingOf(text: string, above: Section): SectionKind | undefined {
  if (!headingHint.test(text)) return undefined;
  const kind = headings.find(([pattern]) => pattern.test(text))?.[1];
  const isKthread = kthreadDump.test(above.heading.text) && above.frames.length === 0;
  return kind === 'trace' && isKthread ? 'other' : kind;
}

/**
 * Adds the frame of a line to a section. On 32-bit ARM each frame is printed twice, as the caller on one line and as the callee on
 * the next; it is added once.
 */
function pushFrame(section: Section, read: FrameLine, line: ReportLine): void {
  const { frame, caller, questionable } = read;
  const last = section.frames.at(-1);
  if (!caller || last?.pc || last?.frame.function !== frame.function) {
    section.frames.push({ frame, line, questionable, pc: false });
  }
  if (caller) section.frames.push({ frame: caller, line, questionable, pc: false });
}

/** The frame that a register line names; undefined for other lines. */
function readCounter(text: string): StackFrame | undefined {
  return text.includes('+0x') && programCounter.test(text) ? frameWithin(text) : undefined;
}

/** The section that a line begins, with the frame that its heading may have; undefined when the line begins none. */
function sectionAt(line: ReportLine, above: Section, dumped: boolean): Section | undefined {
  const kind = headingOf(line.text, above);
  if (!kind) {
    const isEnd = sectionEnd.test(line.text);
    return isEnd ? { kind: 'other', heading: line, frames: [], length: 0 } : undefined;
  }
  const isTrace = kind === 'trace';
  const isDump = dumped && isTrace;
  const section = { kind, heading: line, frames: [], length: 0, ...(isDump && { isDump }) };
  const inHeading = isTrace
    ? readFrame(line.text.replace(headings[0]?.[0] ?? /^$/, ''))
    : undefined;
  if (inHeading) pushFrame(section, inHeading, line);
  return section;
}

/**
 * Splits a report into sections. The first section is the head: header, registers and facts. Each other section begins at the
 * heading of a stack trace, or at a line that ends one.
 */
export function readSections(lines: readonly ReportLine[]): Section[] {
  const [header, ...rest] = lines;
  if (!header) return [];
  let section: Section = { kind: 'head', heading: header, frames: [], length: 0 };
  const sections = [section];
  let dumped = false;
  /** The last line `CPU: 1 PID: 2 Comm: x ...` since the section began. */
  let cpuLine: ReportLine | undefined;
  const begin = (next: Section) => {
    section = next;
    sections.push(section);
    cpuLine = undefined;
  };
  for (const line of rest) {
    dumped ||= taskDump.test(line.text);
    const read = readFrame(line.text);
    if (read) {
      // The stack of a 32-bit ARM kernel has no heading. Below a CPU line it does not belong to the section above that line.
      if (section.kind === 'other' && cpuLine)
        begin({ kind: 'trace', heading: cpuLine, frames: [], length: 0 });
      section.length++;
      pushFrame(section, read, line);
      continue;
    }
    const pc = readCounter(line.text);
    if (pc) {
      section.frames.push({ frame: pc, line, questionable: false, pc: true });
      continue;
    }
    const next = sectionAt(line, section, dumped);
    if (next) {
      dumped = false;
      begin(next);
    } else section.length++;
    if (ofCpu.test(line.text)) cpuLine = line;
  }
  return sections;
}
