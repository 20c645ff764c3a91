import type { Guest } from '../guest/boot.ts';
import { type CpuStack, lowestKernelAddress } from '../guest/cpu-stacks.ts';
import { pause } from '../host/deadline.ts';

/** The milliseconds between two readings of the CPUs (`lookEveryMs`), and how many readings in a row must agree (`leastLooks`). */
const lookEveryMs = 500;
const leastLooks = 8;
/**
 * How many seconds of processor time the guest must use during these readings, for each of its CPUs. An emulated guest needs
 * about ten times as long as hardware, and no correct kernel computes for a tenth of a second with interrupts off on all CPUs.
 */
const leastCpuSeconds = 3;

/** When to read the CPUs: from `fromMs` until `untilMs`, in milliseconds from now. */
interface WedgeWatch {
  readonly fromMs: number;
  readonly untilMs: number;
  /** The milliseconds between two readings; absent: `lookEveryMs`. */
  readonly everyMs?: number;
  /** Fires when nobody waits for the answer any more. */
  readonly over: AbortSignal;
}

/**
 * Resolves to true when all CPUs of a guest have been in the kernel with interrupts off for so long that no CPU will ever leave
 * it: each waits for another, or for itself. Such a guest prints nothing more, because all detectors of hangs need an interrupt.
 * The measure is processor time of the guest, so that a busy host does not count. Resolves to false at `untilMs`, and after `over`
 * fires. Rejects with `infra` when QEMU is gone.
 */
export async function awaitWedge(
  guest: Pick<Guest, 'cpuStacks' | 'cpuSeconds' | 'console'>,
  { fromMs, untilMs, everyMs = lookEveryMs, over }: WedgeWatch,
): Promise<boolean> {
  const startedAt = performance.now();
  await pause(Math.min(fromMs, untilMs), over);
  let since: { readonly bytes: number; readonly cpuSeconds: number; looks: number } | undefined;
  while (!over.aborted && performance.now() - startedAt < untilMs) {
    const stacks = await guest.cpuStacks();
    const [bytes, cpuSeconds] = [guest.console.bytes(), await guest.cpuSeconds()];
    if (!isDeaf(stacks)) since = undefined;
    else if (since?.bytes === bytes) since.looks += 1;
    else since = { bytes, cpuSeconds, looks: 1 };
    if (
      since !== undefined &&
      since.looks >= leastLooks &&
      cpuSeconds - since.cpuSeconds >= leastCpuSeconds * stacks.length
    ) {
      return true;
    }
    await pause(everyMs, over);
  }
  return false;
}

/**
 * True when all CPUs are in the kernel with interrupts off. A virtual machine inside the guest may run with interrupts off as
 * well, but its code is not at an address of the kernel.
 */
function isDeaf(stacks: readonly CpuStack[]): boolean {
  return (
    stacks.length > 0 &&
    stacks.every(
      ({ mode, masked, addresses: [at = 0n] }) =>
        mode === 'kernel' && masked && at >= lowestKernelAddress,
    )
  );
}
