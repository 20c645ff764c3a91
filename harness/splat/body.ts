import type { StackFrame } from '../records/finding.ts';
import { type FrameLine, frameWithin, readFrame } from './frames.ts';

/** One line of a kernel's report, without the prefixes of printk and of loggers, and the position of the line in the log. */
export interface ReportLine {
  readonly text: string;
  /** The printk caller, such as `T123` for a task or `C1` for a CPU. An empty string when the line names no caller. */
  readonly caller: string;
  /** True when the line had printk's time or level, or syslog's tag `kernel:`. */
  readonly isStamped: boolean;
  /** The number of the line in the log, from 1. */
  readonly number: number;
  /** `start` is the position in the log, in bytes, of the line's first byte; `end` is the position after its newline. */
  readonly start: number;
  readonly end: number;
}

/**
 * The kinds of a report's parts. `head` is the beginning of the report. `trace`, `alloc`, `free`, `origin` and `chain` are stacks:
 * a stack trace, the stack of the allocation, the stack of the free, the stack that shows where uninitialized memory came from, and
 * lockdep's stacks of earlier acquisitions. `other` is a part whose frames are not to blame.
 */
export type SectionKind = 'head' | 'trace' | 'alloc' | 'free' | 'origin' | 'chain' | 'other';

/** A stack frame, and the line of the report that names the frame. */
export interface SectionFrame {
  readonly frame: StackFrame;
  readonly line: ReportLine;
  /** True when the unwinder marked the frame as uncertain: `? f+0x1/0x2`. */
  readonly questionable: boolean;
  /** True when the frame comes from a register line (RIP, pc), not from the unwinder. */
  readonly pc: boolean;
}

/** A part of a report: the line with which the part begins (`heading`), and the stack frames in the part. */
export interface Section {
  readonly kind: SectionKind;
  readonly heading: ReportLine;
  readonly frames: SectionFrame[];
  /** The number of lines below the heading. Lines that name the program counter do not count. */
  length: number;
  /**
   * True for the stack of a CPU that does not answer, which the kernel prints below
   * `Task dump for CPU 1:` (kernel/rcu/tree_stall.h).
   */
  readonly isDump?: true;
}

/** Lines that begin a section of a report, each with the kind of the section. The first row that matches a line wins. */
const headings: readonly (readonly [RegExp, SectionKind])[] = [
  [
    /^\s*(?:<\w+>)?\s*(?:Call [Tt]race|Trace|CPU: \d+ .* Call Trace):?|^NMI backtrace for cpu/,
    'trace',
  ],
  [
    /\b(?:[Bb]acktrace(?: \(crc [0-9a-f]{1,16}\))?|stack backtrace|Call [Tt]race|stack trace):\s*(?:\(|$)|^Backtrace: ?/,
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
 * `NIP [c0001234] f+0x1/0x2`, `epc : f+0x1/0x2`, the PSW of s390, and the lines that show_regs() prints on other architectures.
 * `RIP: 0033:` names the code segment of programs. The kernel of user-mode Linux runs in this segment as well; only the lines of
 * that kernel have a symbol.
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
 * Adds the frame of a line to a section. 32-bit ARM prints each frame twice, as the caller on one line and as the callee on the
 * next line; the frame is added once.
 */
function pushFrame(section: Section, read: FrameLine, line: ReportLine): void {
  const { frame, caller, questionable } = read;
  const last = section.frames.at(-1);
  if (!caller || last?.pc || last?.frame.function !== frame.function) {
    section.frames.push({ frame, line, questionable, pc: false });
  }
  if (caller) section.frames.push({ frame: caller, line, questionable, pc: false });
}

/** The frame that a register line such as `RIP: 0010:f+0x1/0x2` names. Undefined for a line that names no program counter. */
function readCounter(text: string): StackFrame | undefined {
  return text.includes('+0x') && programCounter.test(text) ? frameWithin(text) : undefined;
}

/**
 * The section of a report that begins at `line`. When the heading of a stack contains a frame, the section begins with this frame.
 * Undefined when no section begins at the line. `dumped` is true when a line above announced a task dump: the stack is then the
 * dump of a CPU.
 */
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
 * Splits a report into sections. The first section is the head: header, registers and facts. Every further section begins at the
 * heading of a stack trace, or at a line that ends a stack trace.
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
      // The stack of a 32-bit ARM kernel has no heading. Below a CPU line, its frames do not belong to the section above that
      // line.
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
