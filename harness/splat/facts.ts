import type { ReportLine } from './body.ts';
import type { HardwareFacts, NonBlockFacts, StackFrame } from './finding.ts';

export interface TaskFacts {
  readonly cpu?: number;
  readonly task?: string;
}

const cpuLine =
  /\bCPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (.*?) (?:(Not tainted)|(?:Tainted: ((?:\[?[A-Z]\]?=?[A-Z_]* ?| )+?)))\s+(?:\S+ )?(\d+\.\d+\S*)(?:.* ([0-9a-f]{40})\b)?/;
const olderLine = /\b(?:comm|Comm): (\S.{0,15}?),? /;
const hardwareLine = /^\s*Hardware name: (.*?)\s*$/;

/** What the `CPU: 1 PID: 2 Comm: x Not tainted 6.1.0` and `Hardware name:` lines of a report say. */
export function readFacts(lines: readonly ReportLine[]): TaskFacts & HardwareFacts {
  let facts: TaskFacts & HardwareFacts = {};
  for (const { text } of lines) {
    if (facts.cpu === undefined && text.includes('CPU: ')) {
      const match = cpuLine.exec(text);
      if (match) {
        facts = {
          ...facts,
          cpu: Number(match[1]),
          task: `${match[3]}/${match[2]}`,
          taint: match[4] ? '' : (match[5] ?? '').trim(),
          kernel: match[6] ?? '',
          ...(match[7] !== undefined && { buildId: match[7] }),
        };
      } else {
        const warned =
          /WARNING: CPU: (\d+) PID: (\d+) at /.exec(text) ?? /, CPU#(\d+): .*\/(\d+)$/.exec(text);
        if (warned) facts = { ...facts, cpu: Number(warned[1]) };
      }
    }
    if (facts.hardware === undefined) {
      const match = hardwareLine.exec(text);
      if (match) facts = { ...facts, hardware: match[1] ?? '' };
    }
    if (facts.cpu !== undefined && facts.task !== undefined && facts.hardware !== undefined) break;
  }
  if (facts.task !== undefined) return facts;
  const comm = lines.map(({ text }) => olderLine.exec(text)).find((match) => match !== null);
  return comm?.[1] === undefined ? facts : { ...facts, task: comm[1] };
}

const atomicLine = /in_atomic\(\): .*?(?:non_block: (\d+), )?pid: (\d+), name: (.*)$/;
const nonBlockHeader = /scheduling in a non-blocking section: (.*)\/(\d+)\/(\d+)/;
/** Notifier callbacks end so by convention; the mm's own dispatcher is the frame below. */
const dispatcher = /^(?:__)?mmu_notifier_invalidate_range|^mn_(?:hlist|itree)_invalidate/;
const sleepers = /^(?:dump_stack|show_stack|__?_?might|__schedule|schedule)/;

/**
 * The facts of a report by non_block_start() (Linux 5.4): `non_block: 1` on the in_atomic() line of 5.4 and later, or the
 * `scheduling in a non-blocking section: comm/pid/count` header. Undefined when the count is 0 or neither is there.
 */
export function readNonBlock(
  lines: readonly ReportLine[],
  stack: readonly StackFrame[],
): NonBlockFacts | undefined {
  for (const { text } of lines.slice(0, 12)) {
    const header = nonBlockHeader.exec(text);
    const atomic = header ? null : atomicLine.exec(text);
    const count = Number(atomic?.[1] ?? 0);
    if (!header && count === 0) continue;
    const below = stack.findIndex((frame) => dispatcher.test(frame.function));
    const callback = below > 0 ? stack[below - 1]?.function : undefined;
    const sleeper = stack.find((frame) => !sleepers.test(frame.function))?.function;
    return {
      ...(atomic && { count }),
      ...(callback !== undefined && { callback }),
      ...(sleeper !== undefined && { sleeper }),
      victim: header ? `${header[1]}/${header[2]}` : `${atomic?.[3]?.trim()}/${atomic?.[2]}`,
    };
  }
  return undefined;
}
