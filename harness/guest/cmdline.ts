import type { Architecture } from '../arch.ts';

/**
 * The kernel command line of every guest (Documentation/admin-guide/kernel-parameters.txt):
 *
 * - console, earlyprintk: the serial port gets all lines, from the first to the last
 * - ignore_loglevel, printk.devkmsg: splats and splat's own markers are printed at every console loglevel
 * - no_hash_pointers: a pointer in one report can be compared with a pointer in another
 * - panic=-1 with QEMU's -no-reboot: a panic ends QEMU at once; oops=panic: no workload runs on after an oops
 * - softlockup_all_cpu_backtrace=1: the report of a soft lockup has the stacks of all CPUs
 * - the architecture's words for the clock; `tscKhz` is the rate of the host's time stamp counter in kHz
 * - SPLAT_SYSTEM, only with `system`: the serial number of the disk with the guest's root, which the kernel passes on to init
 */
export function kernelCommandLine(
  arch: Architecture,
  tscKhz: number,
  { system }: { readonly system: boolean },
): string {
  const { console, clockArguments } = arch;
  return [
    `console=${console.device} earlyprintk=${console.early}`,
    'ignore_loglevel printk.devkmsg=on no_hash_pointers',
    'panic=-1 oops=panic softlockup_all_cpu_backtrace=1',
    clockArguments(tscKhz),
    ...(system ? ['SPLAT_SYSTEM=splat-system'] : []),
  ].join(' ');
}
