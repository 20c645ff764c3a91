import { isHarnessError } from '../errors.ts';
import type { Guest } from '../guest/boot.ts';
import { runTimeoutMs } from '../guest/pace.ts';
import { pause } from '../host/deadline.ts';
import { throwIfAborted } from '../host/process.ts';
import type { HangEvidence } from '../records/trial.ts';
import type { WorkloadEnd } from '../verdict.ts';
import { gatherHang, type HangWatch } from './hang-evidence.ts';
import type { TrialPlan } from './trial-plan.ts';
import { awaitWedge } from './wedged.ts';

/** How long a running workload may go on. Times are in milliseconds from the workload's start. */
interface EndTimes {
  /** When the guest kills the workload. */
  readonly timeoutMs: number;
  /** Until this time a splat does not end the wait. After it, a splat ends the wait, even when the splat was found before. */
  readonly patienceMs: number;
  /**
   * The time at which splat examines the guest for a hang. Undefined: splat does not examine the guest, and the workload may run
   * until its timeout.
   */
  readonly lookAfterMs: number | undefined;
  /** From this time until `lookAfterMs`, splat watches the CPUs for a deadlock with interrupts off. */
  readonly wedgedFromMs: number;
}

/** What ends the wait for a running workload. */
interface EndWatch
  extends EndTimes,
    Pick<HangWatch, 'vmlinux' | 'modules' | 'dir' | 'signal' | 'onAsked'> {
  /** True when a splat was found that is not known. */
  readonly hasSplat: () => boolean;
  /** Fires when the trial no longer waits for the workload. */
  readonly over: AbortSignal;
}

/**
 * How many milliseconds before a workload's timeout splat examines the guest for a hang. A workload should end half a minute or
 * more before its timeout (runTimeoutMs()).
 */
const lookMs = 15_000;

/** Returns the times for a workload. A program of the user (`isTheirs`) runs exactly as long as the user said. */
export function endTimes(
  { durationMs, endAtSplat }: Pick<TrialPlan, 'durationMs' | 'endAtSplat'>,
  slowness: number,
  isTheirs: boolean,
): EndTimes {
  const timeoutMs = isTheirs ? durationMs : runTimeoutMs(durationMs, slowness);
  return {
    timeoutMs,
    patienceMs: endAtSplat === true ? 0 : durationMs * 2 + 5_000 * Math.sqrt(slowness),
    lookAfterMs: isTheirs ? undefined : timeoutMs - lookMs,
    wedgedFromMs: durationMs + 3_000 * Math.sqrt(slowness),
  };
}

/** How a running workload ended. */
interface SeenEnd {
  readonly end: WorkloadEnd;
  /**
   * What the guest was doing. Absent when the end is not `silent`, when a splat explains the silence, and when the wait was over
   * before splat examined the guest. With `wedged` set, nothing in the guest will answer any more.
   */
  readonly hang?: HangEvidence;
}

/** Waits until a running workload ends. When a splat or a wedged guest ends the wait first, the end is `silent`. */
export async function awaitEnd(
  guest: Guest,
  running: Promise<WorkloadEnd>,
  watch: EndWatch,
): Promise<SeenEnd> {
  const look = lookLater(guest, watch);
  const ended = Promise.race([running, stuckAfterSplat(running, watch)]);
  ended.catch(() => undefined);
  const wedged = await endOfWedged(guest, ended, watch);
  if (wedged !== undefined) return wedged;
  const end = await ended;
  // An examination that has begun must end first: until then the kernel prints stacks, and the agent is busy.
  const hang = end.kind === 'silent' || look.hasBegun() ? await look.found : undefined;
  return hang === undefined || end.kind !== 'silent' || watch.hasSplat() ? { end } : { end, hang };
}

/**
 * Returns the end `silent` when the guest's CPUs wait for each other with interrupts off. Returns undefined when `ended` settles
 * first, when no such deadlock is seen until `lookAfterMs`, and when QEMU has ended.
 */
async function endOfWedged(
  guest: Guest,
  ended: Promise<WorkloadEnd>,
  { lookAfterMs, wedgedFromMs, ...watch }: EndWatch,
): Promise<SeenEnd | undefined> {
  if (lookAfterMs === undefined) return undefined;
  const startedAt = performance.now();
  const over = new AbortController();
  const stop = (): void => over.abort();
  ended.then(stop, stop);
  try {
    const times = { fromMs: wedgedFromMs, untilMs: lookAfterMs, over: over.signal };
    if (!(await awaitWedge(guest, times)) || over.signal.aborted) return undefined;
  } catch (error) {
    // QEMU has ended; `ended` reports this.
    if (isHarnessError(error, 'infra')) return undefined;
    throw error;
  }
  const hang = await lookAtHang(guest, { ...watch, wedged: true });
  if (hang === undefined) return undefined;
  return { end: { kind: 'silent', afterMs: performance.now() - startedAt }, hang };
}

/** An examination of a guest that may hang. */
interface Look {
  readonly hasBegun: () => boolean;
  /** Resolves to undefined when, before the examination, the wait was over or a splat was found, which explains the hang. */
  readonly found: Promise<HangEvidence | undefined>;
}

/**
 * Examines the guest for a hang before the timeout, because at the timeout the guest kills the workload, and the stack of the
 * hang is lost.
 */
function lookLater(guest: Guest, watch: EndWatch): Look {
  let begun = false;
  const look = async (): Promise<HangEvidence | undefined> => {
    if (watch.lookAfterMs === undefined) return undefined;
    await pause(watch.lookAfterMs, watch.over);
    if (watch.over.aborted || watch.hasSplat()) return undefined;
    begun = true;
    return lookAtHang(guest, watch);
  };
  const found = look();
  found.catch(() => undefined);
  return { hasBegun: () => begun, found };
}

/** Gathers evidence of what a hung guest does. Returns undefined when its QEMU has ended in the meantime. */
export async function lookAtHang(
  guest: Guest,
  watch: HangWatch,
): Promise<HangEvidence | undefined> {
  try {
    return await gatherHang(guest, watch);
  } catch (error) {
    throwIfAborted(watch.signal);
    if (isHarnessError(error, 'infra')) return undefined;
    throw error;
  }
}

/**
 * Returns how the workload ended. A workload that still runs after `patienceMs` counts as `silent` as soon as a splat is found,
 * because the splat explains why it does not end.
 */
async function stuckAfterSplat(
  running: Promise<WorkloadEnd>,
  { patienceMs, hasSplat, over: signal }: EndWatch,
): Promise<WorkloadEnd> {
  const startedAt = performance.now();
  let over = false;
  const ended = running.then(
    () => (over = true),
    () => (over = true),
  );
  for (;;) {
    const leftMs = Math.max(250, patienceMs - (performance.now() - startedAt));
    await Promise.race([ended, pause(leftMs, signal)]);
    if (over || signal.aborted) return running;
    if (hasSplat()) return { kind: 'silent', afterMs: performance.now() - startedAt };
  }
}
