import { isHarnessError } from '../errors.ts';
import type { Guest } from '../guest/boot.ts';
import { pause } from '../host/deadline.ts';
import { throwIfAborted } from '../host/process.ts';
import type { HangEvidence } from '../records/trial.ts';
import type { WorkloadEnd } from '../verdict.ts';
import { gatherHang, type HangWatch } from './hang-evidence.ts';

/** What is known of a workload that runs. */
interface EndWatch extends Pick<HangWatch, 'vmlinux' | 'modules' | 'dir' | 'signal' | 'onAsked'> {
  readonly hasSplat: () => boolean;
  /** How long it may go on after a splat. */
  readonly patienceMs: number;
  /** When it is looked at for what it hangs in; undefined: it may run until it is stopped. */
  readonly lookAfterMs: number | undefined;
  /** Aborted when the trial is over. */
  readonly over: AbortSignal;
}

/** The end of a running workload; `hang` when it came to none by itself. */
export async function awaitEnd(
  guest: Guest,
  running: Promise<WorkloadEnd>,
  watch: EndWatch,
): Promise<{ readonly end: WorkloadEnd; readonly hang?: HangEvidence }> {
  const looked = lookLater(guest, watch);
  looked.catch(() => undefined);
  const end = await Promise.race([running, stuckAfterSplat(running, watch)]);
  const hang = end.kind === 'silent' && !watch.hasSplat() ? await looked : undefined;
  return hang === undefined ? { end } : { end, hang };
}

/** The guest ends a program of ours at its timeout, and with it what it hung in. A splat that was heard is reason enough. */
async function lookLater(guest: Guest, watch: EndWatch): Promise<HangEvidence | undefined> {
  if (watch.lookAfterMs === undefined) return undefined;
  await pause(watch.lookAfterMs, watch.over);
  return watch.over.aborted || watch.hasSplat() ? undefined : lookAtHang(guest, watch);
}

/** Undefined when QEMU has gone away meanwhile. */
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

/** A workload that hangs after a splat has been heard needs no more patience: the splat is the reason. */
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
