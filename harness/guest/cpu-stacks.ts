import type { Qmp } from './qmp.ts';

/** The state of one CPU of a guest at one moment. QEMU reads it, so nothing in the guest has to answer. */
export interface CpuStack {
  readonly cpu: number;
  readonly mode: 'kernel' | 'user' | 'halted';
  /** True when no interrupt can reach the CPU. */
  readonly masked: boolean;
  /**
   * In the mode `kernel`: the instruction pointer, then the return addresses, the innermost first. In the modes `user` and
   * `halted`: only the instruction pointer.
   */
  readonly addresses: readonly bigint[];
}

/**
 * The registers of one CPU from which its stack is read, as QEMU prints them for `info registers -a` (target/i386/cpu-dump.c).
 * `level` is the privilege level: 0 is the kernel.
 */
interface Registers {
  readonly cpu: number;
  readonly instruction: bigint;
  readonly frame: bigint;
  readonly level: number;
  readonly halted: boolean;
  /** True when the interrupt flag (bit 9 of RFLAGS) is clear. */
  readonly masked: boolean;
}

/**
 * The largest number of addresses that are read from one stack. No stack of a splat kernel is deeper, but overwritten frames
 * may form a circle.
 */
const mostFrames = 48;
/** The interrupt flag of RFLAGS. */
const interruptFlag = 0x200;
/** The lowest address of x86-64's kernel half with five levels of page tables. */
export const lowestKernelAddress = 0xff00_0000_0000_0000n;

/**
 * Reads the stacks of all CPUs of a guest, which is stopped for some milliseconds. Returns an empty list when the registers do
 * not have x86-64's names. Throws `infra` when QEMU is gone.
 */
export async function readCpuStacks(qmp: Qmp): Promise<readonly CpuStack[]> {
  await qmp.execute('stop');
  try {
    const registers = parseRegisters(await monitor(qmp, 'info registers -a'));
    const stacks: CpuStack[] = [];
    for (const one of registers) stacks.push(await stackOf(qmp, one));
    return stacks;
  } finally {
    await qmp.execute('cont');
  }
}

/** Reads the registers of all CPUs in the output of `info registers -a`. Exported for its test. */
export function parseRegisters(text: string): readonly Registers[] {
  return text.split(/^CPU#/m).flatMap((block) => {
    const value = (name: string): string | undefined =>
      new RegExp(`\\b${name}=([0-9a-f]+)`).exec(block)?.[1];
    const cpu = /^\d+/.exec(block)?.[0];
    const [instruction, frame, level] = [value('RIP'), value('RBP'), value('CPL')];
    const flags = Number.parseInt(value('RFL') ?? '200', 16);
    if (cpu === undefined || instruction === undefined || frame === undefined) return [];
    return {
      cpu: Number(cpu),
      instruction: BigInt(`0x${instruction}`),
      frame: BigInt(`0x${frame}`),
      level: Number(level ?? 0),
      halted: value('HLT') === '1',
      masked: (flags & interruptFlag) === 0,
    };
  });
}

async function stackOf(qmp: Qmp, registers: Registers): Promise<CpuStack> {
  const { cpu, instruction, halted, masked } = registers;
  if (halted || registers.level !== 0) {
    return { cpu, mode: halted ? 'halted' : 'user', masked, addresses: [instruction] };
  }
  const addresses = [instruction];
  await monitor(qmp, `cpu ${cpu}`);
  let { frame } = registers;
  // splat's kernels keep frame pointers: each frame begins with the address of the caller's frame and the return address.
  while (frame >= lowestKernelAddress && addresses.length < mostFrames) {
    const words = /: 0x([0-9a-f]{16}) 0x([0-9a-f]{16})/.exec(
      await monitor(qmp, `x /2gx 0x${frame.toString(16)}`),
    );
    if (words === null) break;
    const caller = BigInt(`0x${words[1]}`);
    addresses.push(BigInt(`0x${words[2]}`));
    // The stack grows down, so the frame of the caller is at a higher address.
    if (caller <= frame) break;
    frame = caller;
  }
  return { cpu, mode: 'kernel', masked, addresses };
}

async function monitor(qmp: Qmp, line: string): Promise<string> {
  return String(await qmp.execute('human-monitor-command', { 'command-line': line }));
}
