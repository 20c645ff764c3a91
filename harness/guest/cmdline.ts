/**
 * The kernel command line of every guest (Documentation/admin-guide/kernel-parameters.txt).
 *
 * - console, earlyprintk: the serial port is the witness from the first line to the last
 * - ignore_loglevel, printk.devkmsg: whatever a console loglevel says, splats and our markers are printed
 * - panic=-1 with QEMU's -no-reboot: a panic ends QEMU at once; oops=panic: no workload runs on after an oops
 * - no_hash_pointers: pointers of one report can be compared with those of another
 * - tsc_early_khz, tsc=reliable: without ACPI there is nothing to calibrate with, and a restored guest's counter is right
 */
export function kernelCommandLine(tscKhz: number): string {
  return [
    'console=ttyS0 earlyprintk=serial,ttyS0',
    'ignore_loglevel printk.devkmsg=on no_hash_pointers',
    'panic=-1 oops=panic softlockup_all_cpu_backtrace=1',
    `tsc_early_khz=${tscKhz} tsc=reliable`,
  ].join(' ');
}
