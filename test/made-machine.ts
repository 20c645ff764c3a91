import { defaultArch } from '../harness/arch.ts';
import type { MachineSpec } from '../harness/guest/argv.ts';
import { defaultGpu } from '../harness/guest/devices.ts';

/** The simplest machine. Its files need not exist. */
export const plainMachine: MachineSpec = {
  arch: defaultArch,
  gpu: defaultGpu,
  accel: 'tcg',
  memoryMiB: 1024,
  cpus: 2,
  kernel: 'k',
  initrd: 'i',
  append: '',
  swapDisk: 's',
};
