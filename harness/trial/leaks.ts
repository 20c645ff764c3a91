import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Agent } from '../guest/agent.ts';
import type { Finding } from '../records/finding.ts';
import { scanLog } from '../splat/scanner.ts';
import type { Workload } from '../stress/workload.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { ConsoleFindings } from './console-findings.ts';

/** kmemleak's list (Documentation/dev-tools/kmemleak.rst); a kernel without the detector has no such file. */
const list = '/sys/kernel/debug/kmemleak';
/** The guest's program that looks twice (guests/minimal/kmemleak.c). */
const program = '/bin/kmemleak';
/** The most that it prints, and the most of its complaint that is told. */
const listBytes = 1024 * 1024;
const wordsChars = 200;

/** What a look for memory that nothing points to gave: kmemleak's list, which may be empty, or why nobody looked. */
export type LeakLook =
  | { readonly kind: 'looked'; readonly text: string }
  | { readonly kind: 'dead'; readonly why: string };

/** In a ready guest: true where the kernel looks for memory that nothing points to. Absent: it cannot. */
export interface LeakDetector {
  readonly looksForLeaks?: true;
}

/** Whether a kernel looks for leaks. What is lost by now is forgotten, so that a trial has only its own. */
export async function forgetLeaks(agent: Agent, timeoutMs: number): Promise<LeakDetector> {
  if ((await agent.read(list, 1)) === undefined) return {};
  // A detector that is off already is told of by each trial.
  await agent.run([program, '--forget'], timeoutMs, () => undefined);
  return { looksForLeaks: true };
}

/** What decides whether leaks are looked for at the end of a trial. */
export interface EndedTrial {
  readonly workload: Pick<Workload, 'canary' | 'leaks'>;
  readonly prepared: LeakDetector;
  readonly end: WorkloadEnd;
}

/**
 * Looks for leaks twice, five seconds apart. Undefined where nobody is to look: a seeded bug of another detector may
 * leave some. `timeoutMs` is for a guest that does not come to it.
 */
export async function findLeaks(
  agent: Agent,
  { workload: { canary, leaks }, prepared, end: ended }: EndedTrial,
  timeoutMs: number,
): Promise<LeakLook | undefined> {
  const isAsked = canary === undefined || leaks === true;
  if (!isAsked || prepared.looksForLeaks !== true || ended.kind === 'skipped') return undefined;
  const output: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
  let bytes = 0;
  const end = await agent.run([program], timeoutMs, (stream, chunk) => {
    bytes += chunk.length;
    if (bytes <= 2 * listBytes) output[stream].push(Buffer.from(chunk));
  });
  if (end.kind === 'exit' && end.code === 0) {
    return { kind: 'looked', text: Buffer.concat(output[1]).toString('latin1') };
  }
  const words = Buffer.concat(output[2])
    .toString('latin1')
    .replaceAll(/[^ -~]+/g, ' ')
    .trim();
  const how = end.kind === 'exit' ? words.slice(0, wordsChars) : 'no answer in time';
  return { kind: 'dead', why: `nobody looked for memory leaks (${how})` };
}

/** Adds the leaks of a list to the findings, and leaves the list in the trial's folder as kmemleak.txt. */
export async function addLeaks(
  look: LeakLook | undefined,
  findings: Pick<ConsoleFindings, 'add'>,
  dir: string,
): Promise<void> {
  if (look?.kind !== 'looked' || look.text === '') return;
  await writeFile(join(dir, 'kmemleak.txt'), look.text, 'latin1');
  for (const finding of scanLog(look.text)) findings.add(offConsole(finding));
}

/** What the ledger says when leaks could not be looked for. */
export function unseenLeaks({ leaks }: { readonly leaks?: LeakLook }): {
  readonly leaksUnseen?: string;
} {
  return leaks?.kind === 'dead' ? { leaksUnseen: leaks.why } : {};
}

/** Its lines are not those of the console. */
function offConsole(finding: Finding): Finding {
  return { ...finding, line: 0, endLine: 0, bytes: { start: 0, end: 0 } };
}
