import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { readIfThere } from '../host/disk.ts';
import { valueDigest } from '../host/store.ts';

/**
 * The lines of /proc/cpuinfo that say what a CPU offers, on x86 and on ARM. The other lines say how fast the CPU is at the moment.
 */
const lasting = ['model name', 'flags', 'microcode', 'CPU implementer', 'CPU part', 'Features'];

/**
 * The digest of the facts that a guest under KVM takes over from its host: model, flags and microcode of the host's CPUs, from the
 * text of /proc/cpuinfo, and the release of the host's kernel. CPUs that are alike count once.
 */
export function cpuDigest(cpuinfo: string, kernelRelease: string): string {
  const lines = cpuinfo.split('\n').filter((line) => {
    const [name = ''] = line.split(':', 1);
    return lasting.includes(name.trim());
  });
  return valueDigest([[...new Set(lines)].toSorted(), kernelRelease]);
}

/** The digest of this host's CPUs and kernel; see cpuDigest(). */
export async function hostCpu(): Promise<string> {
  return cpuDigest((await readIfThere(readFile('/proc/cpuinfo', 'utf8'))) ?? '', release());
}
