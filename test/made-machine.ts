import { defaultArch } from '../harness/arch.ts';
import type { MachineSpec } from '../harness/guest/argv.ts';
import { defaultGpu } from '../harness/guest/devices.ts';

/** The least that a machine needs; its files are names alone. */
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
