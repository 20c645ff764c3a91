import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isHarnessError } from '../errors.ts';
import type { Agent } from '../guest/agent.ts';
import { printableLine } from '../printable.ts';
import type { Finding } from '../records/finding.ts';
import { scanLog } from '../splat/scanner.ts';
import type { Workload } from '../stress/workload.ts';
import type { WorkloadEnd } from '../verdict.ts';
import type { ConsoleFindings } from './console-findings.ts';

/** kmemleak's list (Documentation/dev-tools/kmemleak.rst); a kernel without the detector has no such file. */
const list = '/sys/kernel/debug/kmemleak';
/** The guest's program that has kmemleak scan twice (guests/minimal/kmemleak.c). */
const program = '/bin/kmemleak';
/**
 * How many bytes of kmemleak's list the program prints at most (`listBytes`), and how many characters of the program's error
 * message the reason in LeakLook repeats at most (`wordsChars`).
 */
const listBytes = 1024 * 1024;
const wordsChars = 200;

/**
 * The result of a search for leaks (memory that nothing points to). `looked`: `text` is kmemleak's list; it is empty when there
 * is no leak. `dead`: the guest could not search; `why` is the reason.
 */
export type LeakLook =
  | { readonly kind: 'looked'; readonly text: string }
  | { readonly kind: 'dead'; readonly why: string };

/**
 * Whether a ready guest searches for leaks (memory that nothing points to). Both fields are absent when the kernel has no
 * kmemleak.
 */
export interface LeakDetector {
  readonly looksForLeaks?: true;
  /**
   * Why the guest could not make kmemleak forget the leaks from before the trials. Each trial would report these old leaks, so no
   * trial searches. Absent: kmemleak forgot the old leaks.
   */
  readonly leaksUnforgotten?: string;
}

/**
 * How many milliseconds two scans by kmemleak may take in a guest that has just booted, on a slow host with further detectors.
 */
const forgetTimeoutMs = 600_000;

/**
 * Makes kmemleak forget the leaks until now, so that each trial reports only leaks of its workload. Returns whether trials can
 * search for leaks.
 */
export async function forgetLeaks(agent: Pick<Agent, 'read' | 'run'>): Promise<LeakDetector> {
  if ((await agent.read(list, 1)) === undefined) return {};
  const look = await runLook(agent, ['--forget'], forgetTimeoutMs);
  if (look.kind === 'dead') return { looksForLeaks: true, leaksUnforgotten: look.why };
  return { looksForLeaks: true };
}

/**
 * The ends of a workload after which no trial searches for leaks: the workload may still run, or never ran. A program that was
 * `stopped` at the end of its time no longer runs.
 */
const unended: ReadonlySet<WorkloadEnd['kind']> = new Set(['skipped', 'silent', 'lost']);

/** The facts that decide whether a trial searches for leaks at its end. */
export interface EndedTrial {
  readonly workload: Pick<Workload, 'canary' | 'leaks'>;
  readonly prepared: LeakDetector;
  readonly end: WorkloadEnd;
  /** True when the trial has already shown a splat. The splat may have killed a task, which leaves memory behind. */
  readonly spoke: boolean;
}

/**
 * Searches for leaks (memory that nothing points to): kmemleak scans twice, five seconds apart, within `timeoutMs`. Returns
 * undefined without a search when the kernel has no kmemleak, when the workload did not run or did not end, and when a splat or a
 * seeded bug that is not a leak may have left memory behind.
 */
export async function findLeaks(
  agent: Pick<Agent, 'run'>,
  { workload: { canary, leaks }, prepared, end, spoke }: EndedTrial,
  timeoutMs: number,
): Promise<LeakLook | undefined> {
  const isDue = leaks === true || (canary === undefined && !spoke);
  if (!isDue || unended.has(end.kind) || prepared.looksForLeaks !== true) return undefined;
  if (prepared.leaksUnforgotten !== undefined)
    return { kind: 'dead', why: prepared.leaksUnforgotten };
  return runLook(agent, [], timeoutMs);
}

async function runLook(
  agent: Pick<Agent, 'run'>,
  flags: readonly string[],
  timeoutMs: number,
): Promise<LeakLook> {
  const output: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
  let bytes = 0;
  try {
    const end = await agent.run([program, ...flags], timeoutMs, (stream, chunk) => {
      bytes += chunk.length;
      if (bytes <= 2 * listBytes) output[stream].push(Buffer.from(chunk));
    });
    if (end.kind === 'exit' && end.code === 0) {
      return { kind: 'looked', text: Buffer.concat(output[1]).toString('latin1') };
    }
    if (end.kind === 'silent') return unseen('no answer in time');
    return unseen(
      end.kind === 'signal'
        ? `signal ${end.signal}`
        : printableLine(Buffer.concat(output[2]).toString('latin1')).slice(0, wordsChars),
    );
  } catch (error) {
    // The agent may have no memory left for another program.
    if (!isHarnessError(error, 'infra')) throw error;
    return unseen(error.message);
  }
}

function unseen(why: string): LeakLook {
  return { kind: 'dead', why: `nobody looked for memory leaks (${why})` };
}

/**
 * Adds the leaks in kmemleak's list to the findings of a trial, and writes the list to the file kmemleak.txt in the trial's
 * folder `dir`.
 */
export async function addLeaks(
  look: LeakLook | undefined,
  findings: Pick<ConsoleFindings, 'add'>,
  dir: string,
): Promise<void> {
  if (look?.kind !== 'looked' || look.text === '') return;
  await writeFile(join(dir, 'kmemleak.txt'), look.text, 'latin1');
  for (const finding of scanLog(look.text)) findings.add(offConsole(finding));
}

/**
 * Returns the field for the ledger (the record of the detectors' health) that says why a trial could not search for leaks.
 * Returns no field when the trial searched or did not have to.
 */
export function unseenLeaks({ leaks }: { readonly leaks?: LeakLook }): {
  readonly leaksUnseen?: string;
} {
  return leaks?.kind === 'dead' ? { leaksUnseen: leaks.why } : {};
}

/** Returns the finding without its line and byte numbers, which are places in kmemleak's list, not on the console. */
function offConsole(finding: Finding): Finding {
  return { ...finding, line: 0, endLine: 0, bytes: { start: 0, end: 0 } };
}
