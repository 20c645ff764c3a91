import type { Guest } from '../guest/boot.ts';
import { type CpuStack, lowestKernelAddress } from '../guest/cpu-stacks.ts';
import { pause } from '../host/deadline.ts';

/** How many milliseconds pass between two looks at the CPUs, and how many looks in a row must agree. */
const lookEveryMs = 500;
const leastLooks = 8;
/**
 * How many seconds of processor time the guest must use meanwhile, for each of its CPUs. An emulated guest needs some ten times
 * as long as hardware, and no correct kernel computes for a tenth of a second with interrupts off on all CPUs.
 */
const leastCpuSeconds = 3;

/** When the CPUs are looked at, in milliseconds from now. */
interface WedgeWatch {
  readonly fromMs: number;
  readonly untilMs: number;
  /** From look to look; absent: `lookEveryMs`. */
  readonly everyMs?: number;
  /** Fires when nobody waits for the answer any more. */
  readonly over: AbortSignal;
}

/**
 * Resolves to true when all CPUs of a guest have been in the kernel with interrupts off for so long that none will ever leave it:
 * each waits for another, or for itself. Such a guest prints nothing more, because all detectors of hangs need an interrupt. The
 * time is processor time of the guest, so that a busy host does not count. Resolves to false when it is time to stop looking.
 * Rejects with `infra` when QEMU is gone.
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
