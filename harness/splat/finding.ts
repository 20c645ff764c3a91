import type { LockGraph } from '../locks/lock-graph.ts';

/**
 * What the console said, as values. A `Finding` is one kernel complaint (a splat) or one thing worth noting (an event).
 * Everything in it comes from the log and is therefore untrusted: whoever prints it escapes it.
 */

/** One entry of a stack trace, as `vfs_read+0x9bd/0xbc0 [ext4]`. */
export interface StackFrame {
  /** Without compiler suffixes: `.isra.0`, `.constprop.1`, `.part.2`, `.cold`, `.llvm.123` are cut off. */
  readonly function: string;
  /** As printed, with suffixes; what a symbol table knows. */
  readonly symbol: string;
  /** Bytes into the function; absent for frames printed without one (inlined, old ARM). */
  readonly offset?: number;
  /** Size of the function in bytes, as printed. */
  readonly size?: number;
  readonly module?: string;
  /** `fs/read_write.c:474`, when the log was symbolized already. */
  readonly location?: string;
  readonly inlined?: true;
}

/** Half open, in bytes of the input as it was pushed. */
export interface ByteExtent {
  readonly start: number;
  readonly end: number;
}

/** A complaint of the non_block_start() annotations of Linux 5.4 and later. */
export interface NonBlockFacts {
  /** current->non_block_count; absent when the line does not carry it. */
  readonly count?: number;
  /** The notifier callback that ran, when the stack shows one. */
  readonly callback?: string;
  /** What slept: the function that called might_sleep() or schedule(). */
  readonly sleeper?: string;
  /** `comm/pid` of the task on whose behalf it ran: the OOM victim, or the current task. */
  readonly victim?: string;
}

export interface OomFacts {
  readonly pid: number;
  readonly comm: string;
  readonly memcg: boolean;
}

/** What printk's surroundings said about the machine at the time of the report. */
export interface HardwareFacts {
  /** The text after `Hardware name:`. */
  readonly hardware?: string;
  /** `6.1.0-rc4`: what follows the taint on the CPU line. */
  readonly kernel?: string;
  /** GNU build id of the kernel, 40 hexadecimal digits (CONFIG_STACKTRACE_BUILD_ID, Linux 5.14). */
  readonly buildId?: string;
  /** Taint letters as printed, `G    W`; the empty string is "Not tainted". */
  readonly taint?: string;
}

/** One line that led to a part of the answer; `triage --explain` shows them. */
export interface Evidence {
  readonly line: number;
  readonly text: string;
  readonly role: 'header' | 'detail' | 'trace' | 'skipped frame' | 'guilty frame' | 'end';
}

export interface Finding extends HardwareFacts {
  readonly kind: 'splat' | 'event';
  /** syzbot's style: `possible deadlock in rtnl_lock`. */
  readonly title: string;
  /** Other names of the same bug; two findings that share any name are likely one bug. */
  readonly altTitles: readonly string[];
  /** The title without its ` in FUNCTION`. */
  readonly class: string;
  /** The guilty function, or the empty string. */
  readonly frame: string;
  /** 1-based line where the report starts, and its last line. */
  readonly line: number;
  readonly endLine: number;
  readonly bytes: ByteExtent;
  /** `comm/pid` of the task that ran, when the report says. */
  readonly task?: string;
  readonly cpu?: number;
  readonly corrupted: boolean;
  readonly corruptedReason?: string;
  /** True when the complaint is about the fuzzer or test program, not the kernel. */
  readonly suppressed: boolean;
  /** The kernel panicked within this report. */
  readonly panicked?: true;
  readonly stack: readonly StackFrame[];
  /** For lockdep: the report as a graph (locks/lock-graph.ts). */
  readonly locks?: LockGraph;
  readonly nonBlock?: NonBlockFacts;
  readonly oom?: OomFacts;
  /** Events that belong to this splat, as the `callback failed with` line before its WARNING. */
  readonly events?: readonly string[];
  /** Equal for the same bug in two boots: free of addresses, pids, offsets and compiler suffixes. */
  readonly signature: string;
  readonly evidence: readonly Evidence[];
  /** The report's own lines, printk prefixes removed; other tasks' lines in between are left out. */
  readonly text: readonly string[];
}
