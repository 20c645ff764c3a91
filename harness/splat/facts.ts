import type { Blocker, HardwareFacts, NonBlockFacts, StackFrame } from '../records/finding.ts';
import type { ReportLine } from './body.ts';

/**
 * The CPU on which a report was printed, and the task that the report names, as `comm/pid`. A field is absent when no line has
 * the fact.
 */
export interface TaskFacts {
  readonly cpu?: number;
  readonly task?: string;
}

type Facts = TaskFacts & HardwareFacts;

/**
 * The CPU line: `CPU: 1 [UID: 0] PID: 2 Comm: x Not tainted 6.1.0 #1`, `... Tainted: G    W   6.1.0`,
 * `... Tainted: [W]=WARN 6.12.0`.
 */
const cpuLine =
  /\bCPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.*?) (?:Kdump: loaded )?(?:Not tainted|Tainted: ([^0-9]*?)) +(?:[A-Za-z]\S*-)?(\d+\.\d+\S*)(?:.* ([0-9a-f]{40})\b)?/;
/** The line that kernels before Linux 3.9 print in place of the CPU line: `Pid: 1679, comm: x Not tainted 2.6.32 #1`. */
const pidLine =
  /\bPid: (\d+), comm: (.*?) (?:Not tainted|Tainted: ([^0-9]*?)) +\(?(?:[A-Za-z]\S*-)?(\d+\.\d+[^\s)]*)/;
/** The line of a lockup: `BUG: soft lockup - CPU#4 stuck for 22s! [docker:2374]` (kernel/watchdog.c). */
const lockupLine = /CPU#(\d+) stuck for \d+s! \[(.*):(\d+)\]/;
/** The CPU line up to the taint. A pager may cut off the rest of the line. */
const cutCpuLine =
  /^CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.{1,15}?) (?:Kdump: loaded )?(?:Not tainted|Tainted: )/;
/**
 * The line with the kernel version in a hung task's report: `      Not tainted 6.12.0 #1` (kernel/hung_task.c). Lockdep prints the
 * version first: `6.12.0 #1 Not tainted`.
 */
const hungLine = /^\s+(?:Not tainted|Tainted: ([^0-9]*?)) +(?:[A-Za-z]\S*-)?(\d+\.\d+\S*)/;
const lockdepLine = /^(\d+\.\d+\S*) #\d+\S* (?:Not tainted|Tainted: (\S[^0-9]*?))\s*$/;
/** The line of a task whose stack follows: `task:cat  state:R  running task  stack:0 pid:412 ppid:1` (kernel/sched/core.c). */
const taskState = /^task:(\S.{0,40}?)\s+state:\w\s.*?\bpid:\s*(\d+)/;
/** The same until Linux 5.10: `cat   R  running task  0   412   1 0x00000008`. */
const oldTaskState =
  /^(\S.{0,14}?)\s+[A-Za-z] (?:running| running task|[0-9a-f]{8,16})?\s+\d+ +(\d+) +\d+ 0x[0-9a-f]{8,16}\s*$/;
/** RCU's own threads, whose stacks a stall also shows. They wait for the stalled CPU. */
const ofRcu = /^rcu_|^rcu[bc]\//;
const dumpLine = /^(?:rcu: )?Task dump for CPU (\d+):/;
const warningLine = /WARNING: CPU: (\d+) PID: \d+ at |, CPU#(\d+): /;
const commLine = /\bcomm[: ]+"?([^",]{1,15})"?,? pid[: ]+(\d+)/i;
const hardwareLine = /^\s*Hardware name: (.*?)\s*$/;

/** Lines that name the task in a report without a CPU line. Each expression has the name of the task first and the pid second. */
const taskLines: readonly RegExp[] = [
  /INFO: task (.{1,40}):(\d+) (?:blocked|can't die)/,
  /\bby task (.{1,40})\/(\d+)\s*$/,
  /^(.{1,40})\/(\d+) (?:\[[^\]]*\]:?[^ ]* )?(?:is trying to|just changed the state|is freeing memory|is leaving the kernel)/,
  /BUG: scheduling while atomic: (.{1,40})\/(\d+)\/0x/,
];
const namedLast = /\bpid: (\d+), name: (.{1,40}?)\s*$/;
const ownerLine =
  /INFO: task .{1,60} blocked on an? ([\w-]+)(?: likely (?:owned|last held) by task (.{1,40}):(\d+))?/;

/**
 * The lock that the task of a hung-task report waits for, and the task that holds it if the report names one. Undefined when no
 * line names the lock.
 */
export function readBlocker(lines: readonly ReportLine[]): Blocker | undefined {
  for (const { text } of lines) {
    const match = text.includes(' blocked on a') ? ownerLine.exec(text) : null;
    if (!match) continue;
    const [, lock = '', comm, pid] = match;
    return { lock, ...(comm !== undefined && { task: `${comm}/${pid}` }) };
  }
  return undefined;
}

function readTask(text: string): Facts | undefined {
  const last = namedLast.exec(text);
  if (last) return { task: `${last[2]}/${last[1]}` };
  for (const line of taskLines) {
    const match = line.exec(text);
    if (match) return { task: `${match[1]}/${match[2]}` };
  }
  return undefined;
}

/** The facts in a CPU line that a mail program broke in two. */
function readBrokenLine(line: ReportLine, lines: readonly ReportLine[]): Facts | undefined {
  const below = lines[lines.indexOf(line) + 1];
  return below && readCpuLine(`${line.text} ${below.text.trimStart()}`);
}

function readCpuLine(text: string): Facts | undefined {
  const match = cpuLine.exec(text);
  if (!match) return undefined;
  return {
    cpu: Number(match[1]),
    task: `${match[3]}/${match[2]}`,
    taint: (match[4] ?? '').trim(),
    kernel: match[5] ?? '',
    ...(match[6] !== undefined && { buildId: match[6] }),
  };
}

function readPidLine(text: string): Facts | undefined {
  const match = pidLine.exec(text);
  if (!match) return undefined;
  return {
    task: `${match[2]}/${match[1]}`,
    taint: (match[3] ?? '').trim(),
    kernel: match[4] ?? '',
  };
}

function readKernel(text: string): Facts | undefined {
  const hung = hungLine.exec(text);
  if (hung) return { taint: (hung[1] ?? '').trim(), kernel: hung[2] ?? '' };
  const lockdep = lockdepLine.exec(text);
  return lockdep ? { taint: (lockdep[2] ?? '').trim(), kernel: lockdep[1] ?? '' } : undefined;
}

/** The CPU or the task whose stack follows in the report of a stall. */
function readDumped(text: string): Facts | undefined {
  const dumped = dumpLine.exec(text);
  if (dumped) return { cpu: Number(dumped[1]) };
  const state = taskState.exec(text) ?? oldTaskState.exec(text);
  return state && !ofRcu.test(state[1] ?? '') ? { task: `${state[1]}/${state[2]}` } : undefined;
}

function readLesserLine(text: string): Facts | undefined {
  const stuck = text.includes('stuck for ') ? lockupLine.exec(text) : null;
  if (stuck) return { cpu: Number(stuck[1]), task: `${stuck[2]}/${stuck[3]}` };
  if (text.includes('Pid: ')) return readPidLine(text);
  const cpu = warningLine.exec(text);
  if (cpu) return { cpu: Number(cpu[1] ?? cpu[2]) };
  const cut = text.startsWith('CPU: ') ? cutCpuLine.exec(text) : null;
  if (cut) return { cpu: Number(cut[1]), task: `${cut[3]}/${cut[2]}` };
  const comm = commLine.exec(text);
  return comm ? { task: `${comm[1]}/${comm[2]}` } : readTask(text);
}

/** Adds the facts for which a report without a CPU line has separate lines. */
function withLateFacts(facts: Facts, lines: readonly ReportLine[]): Facts {
  const isStall = lines[0]?.text.includes('stall') === true;
  let all = facts;
  for (const { text } of lines) {
    const kernel = text.includes('ainted') ? readKernel(text) : undefined;
    const more = kernel ?? (isStall ? readDumped(text) : undefined);
    if (more) all = { ...more, ...all };
  }
  return all;
}

/**
 * Reads CPU, task, taint, kernel version and hardware from the lines of a report. The CPU line (`CPU: 1 PID: 2 Comm: x ...`) has
 * all but the hardware. Without a CPU line, other lines give some of the facts. A fact that no line has is absent.
 */
export function readFacts(lines: readonly ReportLine[]): Facts {
  let best: Facts | undefined;
  let lesser: Facts = {};
  let hardware: string | undefined;
  for (const line of lines) {
    const { text } = line;
    best ??= text.includes('Comm: ') ? readCpuLine(text) : undefined;
    if (text.startsWith('CPU: ')) best ??= readBrokenLine(line, lines);
    hardware ??= hardwareLine.exec(text)?.[1];
    if (best && hardware !== undefined) break;
    // The CPU line has every fact that another line may have.
    const more = best ? undefined : readLesserLine(text);
    if (more) lesser = { ...more, ...lesser };
  }
  if (!best) lesser = withLateFacts(lesser, lines);
  return { ...lesser, ...best, ...(hardware !== undefined && { hardware }) };
}

const atomicLine = /in_atomic\(\): .*?(?:non_block: (\d+), )?pid: (\d+), name: (.*)$/;
const nonBlockHeader = /scheduling in a non-blocking section: (.*)\/(\d+)\/(\d+)/;
/** Functions that call mmu notifiers. The frame above such a function is the notifier's callback. */
const dispatcher = /^(?:__)?mmu_notifier_invalidate_range|^mn_(?:hlist|itree)_invalidate/;
const sleepers = /^(?:dump_stack|show_stack|_*might|__schedule|schedule)/;

/**
 * Reads the task and the nesting count from a line about a sleep that non_block_start() forbade. Kernels report this in two forms;
 * only the in_atomic() line has a count. Returns undefined for other lines, and for a count of 0.
 */
function readNonBlockLine(text: string): { count?: number; task: string } | undefined {
  const header = nonBlockHeader.exec(text);
  if (header) return { task: `${header[1]}/${header[2]}` };
  const atomic = atomicLine.exec(text);
  const count = Number(atomic?.[1] ?? 0);
  return count > 0 ? { count, task: `${atomic?.[3]?.trim()}/${atomic?.[2]}` } : undefined;
}

/**
 * The facts of a report about a sleep that non_block_start() forbade (Linux 5.4). The report has `non_block: 1` on the
 * in_atomic() line, or the header `scheduling in a non-blocking section: comm/pid/count`. Undefined when the report has neither,
 * or a `non_block` of 0. `victim` is the process that was killed last: the oom_reaper works for this process.
 */
export function readNonBlock(
  lines: readonly ReportLine[],
  stack: readonly StackFrame[],
  victim: string | undefined,
): NonBlockFacts | undefined {
  const said = lines.slice(0, 12).map(({ text }) => readNonBlockLine(text));
  const facts = said.find((found) => found !== undefined);
  if (!facts) return undefined;
  const below = stack.findIndex((frame) => dispatcher.test(frame.function));
  const callback = below > 0 ? stack[below - 1]?.function : undefined;
  const sleeper = stack.find((frame) => !sleepers.test(frame.function))?.function;
  const isReaper = facts.task.startsWith('oom_reaper/');
  return {
    ...(facts.count !== undefined && { count: facts.count }),
    ...(callback !== undefined && { callback }),
    ...(sleeper !== undefined && { sleeper }),
    victim: isReaper && victim !== undefined ? victim : facts.task,
  };
}
