/**
 * One splat class is one row. A row says which console line opens a report, what must follow it, how the report is called
 * and where its guilty function is found. Rows are tried in the order of rules/index.ts; the first that fits wins.
 *
 * Titles are templates: `{1}` is a group of `header`, `{a}` `{b}` are groups of `detail`, `{frame}` the guilty function,
 * `{text}` the header from its first group on, with numbers and addresses replaced by NUM and ADDR.
 */
export interface Rule {
  readonly header: RegExp;
  /** Must match one later line of the report (or the header itself); without it the next row is tried. */
  readonly detail?: RegExp;
  readonly title: string;
  readonly alt?: readonly string[];
  /** Where it is not the title without ` in {frame}`. */
  readonly class?: string;
  readonly frame?: FrameRule;
  /** A report in this form is cut or mixed up, whatever follows. */
  readonly corrupted?: string;
  /** Complete in one line: no stack trace follows. */
  readonly oneLine?: true;
  /** A stack trace may be missing without the report being damaged. */
  readonly traceOptional?: true;
  /** Words that are a report only where the lines of one follow at once: a CPU, modules, a stack. */
  readonly needsReport?: true;
  /** The report right below it has its stack trace. */
  readonly sharesTrace?: true;
  /** About the test program, not the kernel. */
  readonly suppressed?: true;
  /** Worth noting, and no complaint: never a splat, and no end of a report it is printed into. */
  readonly event?: true;
  /** Written by a program, not by the kernel: fits only lines without a printk stamp. */
  readonly fromProgram?: true;
  /** Fits only lines that carry a printk stamp or level. */
  readonly fromKernel?: true;
}

export interface FrameRule {
  /**
   * Where candidates are taken from, in order:
   * - header: `function+0x1/0x2` (or group `frame`) of the header line
   * - detail: the same of the detail line
   * - pc: the register line of the fault (RIP, pc, NIP, epc, PSW)
   * - trace: the first stack trace with a frame that is not skipped
   * - alloc: the trace of the allocation
   * - chain: lockdep's stacks of earlier acquisitions
   */
  readonly from: readonly FrameSource[];
  /** Functions never blamed in this class, besides those of skip-lists.ts. */
  readonly skip?: RegExp;
  /** Only the first line that fits `detail` says where; those below name other locks that are held. */
  readonly firstDetail?: true;
  /** The header's name is not enough without a whole stack trace; a stall's trace must be of what was interrupted. */
  readonly confirmed?: true;
  readonly pick?: 'first' | 'stall' | 'hang' | 'deep';
  /** Only the first stack is of the task in question; those below are of others. */
  readonly ownStack?: true;
}

export type FrameSource = 'header' | 'detail' | 'pc' | 'trace' | 'alloc' | 'chain';

/** Faults: the instruction that trapped, then its callers. */
export const fault: FrameRule = { from: ['pc', 'trace'] };
/** Sanitizers name the function themselves. */
export const named: FrameRule = { from: ['header', 'trace'] };
export const trace: FrameRule = { from: ['trace'] };
export const stall: FrameRule = { from: ['trace'], pick: 'stall' };
export const hang: FrameRule = { from: ['trace'], pick: 'hang' };
export const badAccess = ['bad-access in {frame}'];
