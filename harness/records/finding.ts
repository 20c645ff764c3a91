import * as v from 'valibot';
import { lockGraphSchema } from './lock-graph.ts';
import { described, type Recorded, texts } from './schema.ts';

/**
 * Findings on a console. A finding is a complaint of the kernel (a splat) or something worth noting (an event). The text of a
 * finding comes from the log and is untrusted: whoever prints it must escape it.
 */

/** An entry of a stack trace, such as `vfs_read+0x9bd/0xbc0 [ext4]`. */
const stackFrameSchema = v.object({
  function: described(
    v.string(),
    'Without compiler suffixes: `.isra.0`, `.constprop.1`, `.part.2`, `.cold`, `.llvm.123` are cut off.',
  ),
  symbol: described(v.string(), 'As printed, with suffixes; what a symbol table knows.'),
  offset: v.exactOptional(
    described(
      v.number(),
      'Bytes into the function; absent for frames printed without one (inlined, old ARM).',
    ),
  ),
  size: v.exactOptional(described(v.number(), 'Size of the function in bytes, as printed.')),
  module: v.exactOptional(v.string()),
  location: v.exactOptional(
    described(v.string(), '`fs/read_write.c:474`, when the log was symbolized already.'),
  ),
  inlined: v.exactOptional(v.literal(true)),
});

const byteExtentSchema = described(
  v.object({ start: v.number(), end: v.number() }),
  'Half open, in bytes of the input as it was pushed.',
);

const nonBlockSchema = described(
  v.object({
    count: v.exactOptional(
      described(v.number(), 'current->non_block_count; absent when the line does not carry it.'),
    ),
    callback: v.exactOptional(
      described(v.string(), 'The notifier callback that ran, when the stack shows one.'),
    ),
    sleeper: v.exactOptional(
      described(v.string(), 'What slept: the function that called might_sleep() or schedule().'),
    ),
    victim: v.exactOptional(
      described(
        v.string(),
        '`comm/pid` of the task on whose behalf it ran: the OOM victim, or the current task.',
      ),
    ),
  }),
  'A complaint of the non_block_start() annotations of Linux 5.4 and later.',
);

const blockerSchema = described(
  v.object({
    task: v.exactOptional(
      described(v.string(), '`comm/pid`; absent when the kernel did not find it.'),
    ),
    lock: described(v.string(), '`mutex`, `semaphore` or `rw-semaphore`.'),
  }),
  'Who likely holds what a hung task waits for (CONFIG_DETECT_HUNG_TASK_BLOCKER, Linux 6.16).',
);

const oomSchema = v.object({ pid: v.number(), comm: v.string(), memcg: v.boolean() });

/** The facts about machine and kernel that printk puts around a report. */
const hardwareEntries = {
  hardware: v.exactOptional(described(v.string(), 'The text after `Hardware name:`.')),
  kernel: v.exactOptional(
    described(v.string(), '`6.1.0-rc4`: what follows the taint on the CPU line.'),
  ),
  buildId: v.exactOptional(
    described(
      v.string(),
      'GNU build id of the kernel, 40 hexadecimal digits (CONFIG_STACKTRACE_BUILD_ID, Linux 5.14).',
    ),
  ),
  taint: v.exactOptional(
    described(v.string(), 'Taint letters as printed, `G    W`; the empty string is "Not tainted".'),
  ),
};

const hardwareSchema = v.object(hardwareEntries);

/** A line of the log from which a part of the finding was made; `triage --explain` shows these lines. */
const evidenceSchema = v.object({
  line: v.number(),
  text: v.string(),
  role: v.picklist(['header', 'detail', 'trace', 'skipped frame', 'guilty frame', 'end']),
});

const entries = {
  ...hardwareEntries,
  kind: v.picklist(['splat', 'event']),
  title: described(v.string(), "syzbot's style: `possible deadlock in rtnl_lock`."),
  altTitles: described(
    texts,
    'Other names of the same bug; two findings that share any name are likely one bug.',
  ),
  class: described(v.string(), 'The title without its ` in FUNCTION`.'),
  frame: described(v.string(), 'The guilty function, or the empty string.'),
  line: described(v.number(), '1-based line where the report starts.'),
  endLine: described(v.number(), 'Its last line.'),
  bytes: byteExtentSchema,
  task: v.exactOptional(
    described(v.string(), '`comm/pid` of the task that ran, when the report says.'),
  ),
  cpu: v.exactOptional(v.number()),
  corrupted: v.boolean(),
  corruptedReason: v.exactOptional(v.string()),
  suppressed: described(
    v.boolean(),
    'True when the complaint is about the fuzzer or test program, not the kernel.',
  ),
  panicked: v.exactOptional(described(v.literal(true), 'The kernel panicked within this report.')),
  stack: v.array(stackFrameSchema),
  locks: v.exactOptional(described(lockGraphSchema, 'For lockdep: the report as a graph.')),
  nonBlock: v.exactOptional(nonBlockSchema),
  blocker: v.exactOptional(blockerSchema),
  oom: v.exactOptional(oomSchema),
  events: v.exactOptional(
    described(
      texts,
      'Events that belong to this splat, as the `callback failed with` line before its WARNING.',
    ),
  ),
  signature: described(
    v.string(),
    'Equal for the same bug in two boots: free of addresses, pids, offsets and compiler suffixes.',
  ),
};

const text = described(
  texts,
  "The report's own lines, printk prefixes removed; symbolized where there was a vmlinux.",
);

/** A finding in the form that `triage --json` prints. */
const printedFindingSchema = v.object(entries);

/** A finding with the lines that explain it, in the form that `triage --explain N --json` prints. */
export const findingSchema = v.object({ ...entries, evidence: v.array(evidenceSchema), text });

/** A splat or an event, and how many times it was printed (`count`). The report is the one that was printed first. */
export const splatCountSchema = v.object({ ...entries, text, count: v.number() });

/** A splat that a trial or a boot showed, with its count, and whether it is known. */
export const seenSplatSchema = v.object({
  ...splatCountSchema.entries,
  known: v.exactOptional(
    described(
      v.literal(true),
      'It is in the baseline, or known of this kernel, and decides nothing.',
    ),
  ),
});

/** The document that `triage --json` prints. */
export const triageSchema = v.object({ findings: v.array(printedFindingSchema) });

export type StackFrame = Recorded<typeof stackFrameSchema>;
export type NonBlockFacts = Recorded<typeof nonBlockSchema>;
export type Blocker = Recorded<typeof blockerSchema>;
export type HardwareFacts = Recorded<typeof hardwareSchema>;
export type Evidence = Recorded<typeof evidenceSchema>;
export type Finding = Recorded<typeof findingSchema>;
export type SplatCount = Recorded<typeof splatCountSchema>;
export type SeenSplat = Recorded<typeof seenSplatSchema>;
