/**
 * One row for each splat class. A row says which console line opens a report, which lines must follow, how the title is made, and
 * where the guilty function is found. Rows are tried in the order of rules/index.ts; the first row that fits wins.
 *
 * Titles are templates: `{1}` is the first group of `header`, `{a}` the first group of `detail`, `{frame}` the guilty function,
 * `{pair}` the two functions of a race, and `{text}` the group `text` of the header with numbers and addresses replaced by NUM
 * and ADDR.
 */
export interface Rule {
  readonly header: RegExp;
  /** Must match a later line of the report, or the header itself. When no line matches, the next row is tried. */
  readonly detail?: RegExp;
  readonly title: string;
  /** Templates of the alternative titles. */
  readonly alt?: readonly string[];
  /** The class, when it differs from the title without ` in {frame}`. */
  readonly class?: string;
  /** Where the guilty function is found. Absent: no function is blamed. */
  readonly frame?: FrameRule;
  /** The reason why every report of this form counts as damaged (cut or mixed up), whatever follows its header. */
  readonly corrupted?: string;
  /** True when the report is one line: no stack trace follows. */
  readonly oneLine?: true;
  /** True when a report without a stack trace is not damaged. */
  readonly traceOptional?: true;
  /** True when the header is a report only if lines of a report follow it at once: a CPU, modules, a stack. */
  readonly needsReport?: true;
  /** True when this report has no stack of its own: its stack stands in the report directly below. */
  readonly sharesTrace?: true;
  /** True when the header may also be the message of a WARN(), which the kernel prints directly above the line of the warning. */
  readonly mayBeMessage?: true;
  /** True when the report is about the test program, not about the kernel. */
  readonly suppressed?: true;
  /** True for an event. An event is worth noting but is never a splat, and does not end a report into which it is printed. */
  readonly event?: true;
  /** True when a program writes the line, not the kernel: the row fits only lines without a printk stamp. */
  readonly fromProgram?: true;
  /** True when the row fits only lines with a printk stamp or level. */
  readonly fromKernel?: true;
}

/** Where the guilty function of a class of splats is found. */
export interface FrameRule {
  /**
   * Where candidates are taken from, in order:
   * - header: `function+0x1/0x2` (or group `frame`) of the header line
   * - detail: `function+0x1/0x2` (or group `frame`) of the line that matches `detail`
   * - pc: the register line of the fault (RIP, pc, NIP, epc, PSW)
   * - trace: the first stack trace with a frame that is not skipped
   * - alloc: the stack trace of the allocation
   * - chain: lockdep's stacks of earlier acquisitions
   */
  readonly from: readonly FrameSource[];
  /** Functions that are never blamed in this class of splats, besides those of skip-lists.ts. */
  readonly skip?: RegExp;
  /** True when only the first line that fits `detail` names the site of the bug. Later lines name other locks that are held. */
  readonly firstDetail?: true;
  /**
   * True when the function that the header names is blamed only with a whole stack trace. For a stall, the trace must be of the
   * interrupted code.
   */
  readonly confirmed?: true;
  /**
   * How the guilty frame is chosen. `first`, the default, chooses the first frame that is not skipped. `stall` and `hang` choose
   * by the lists of stall-lists.ts. `deep`, for a recursion, chooses the function through which the recursion was entered.
   */
  readonly pick?: 'first' | 'stall' | 'hang' | 'deep';
  /** True when only the first stack is of the task in question, and the stacks below are of other tasks. */
  readonly ownStack?: true;
}

export type FrameSource = 'header' | 'detail' | 'pc' | 'trace' | 'alloc' | 'chain';

/** For faults: the instruction that trapped, then its callers. */
export const fault: FrameRule = { from: ['pc', 'trace'] };
/** For sanitizers, which name the function in their header. */
export const named: FrameRule = { from: ['header', 'trace'] };
export const trace: FrameRule = { from: ['trace'] };
export const stall: FrameRule = { from: ['trace'], pick: 'stall' };
export const hang: FrameRule = { from: ['trace'], pick: 'hang' };
export const badAccess = ['bad-access in {frame}'];

/** What die() of sparc prints, which names the task: `systemd(1): Oops [#1]`. */
export const diedTask = String.raw`\S{1,24}\(\d+\): (?:[A-Z][\w .-]{2,60} \[#\d+\]|Oops -?\d+\s*$)`;
/** What die() of mips and loongarch prints, with the number of the oops directly behind the words: `Integer overflow[#1]:`. */
export const diedAtOnce = String.raw`(?:[A-Z]\w+|do_\w+) [\w .!/-]{2,50}\[#\d+\]:`;
