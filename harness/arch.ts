/**
 * A processor architecture of kernels and guests. Each architecture is one frozen object. The type lies directly in harness/ and in
 * no folder below, because the folders kernel, guest and report need different fields of this type.
 */
export interface Architecture {
  /** The name for `--arch`. */
  readonly name: 'x86-64';
  /** The value of `ARCH=` for the kernel's Makefile. */
  readonly makeArch: string;
  /** The make target of the kernel image that QEMU boots. Also the path of this image below make's output folder. */
  readonly imageTarget: string;
  readonly imagePath: string;
  /** The value of `CROSS_COMPILE=` for the kernel's Makefile, when the host has another architecture. */
  readonly crossPrefix: string;
  readonly qemu: { readonly program: string; readonly debianPackage: string };
  /** The values for -machine and -cpu (qemu(1)). */
  readonly machine: string;
  readonly cpu: { readonly kvm: string; readonly tcg: string };
  /** The serial console and the early console, as the kernel's command line names them. */
  readonly console: { readonly device: string; readonly early: string };
  /** Returns the clock's parameters for the kernel's command line. `tscKhz` is the rate of the host's time stamp counter in kHz. */
  readonly clockArguments: (tscKhz: number) => string;
  /** The value of e_machine in programs of this architecture (elf(5)). */
  readonly elfMachine: number;
  /** The architecture's name in the field `architecture` of a build in KCIDB, the database of kernel test results. */
  readonly kcidbName: string;
}

const x86: Architecture = Object.freeze({
  name: 'x86-64',
  makeArch: 'x86',
  imageTarget: 'bzImage',
  imagePath: 'arch/x86/boot/bzImage',
  crossPrefix: 'x86_64-linux-gnu-',
  qemu: { program: 'qemu-system-x86_64', debianPackage: 'qemu-system-x86' },
  machine: 'pc',
  // Without ERMS, the kernel clears and copies memory by words. TCG emulates `rep stosb` byte by byte: with ERMS, a huge page took
  // 3 to 7 ms instead of 0.6.
  cpu: { kvm: 'host,migratable=on', tcg: 'max,-erms' },
  console: { device: 'ttyS0', early: 'serial,ttyS0' },
  // Without ACPI the kernel cannot calibrate its clock, so the command line gives the rate. The counter is `reliable`: its value is
  // right in a restored guest, too. `no_timer_check` leaves out a busy loop of a few ms that tests whether timer interrupts arrive.
  // On a busy host this test fails, and the boot ends in a panic.
  clockArguments: (tscKhz: number) => `tsc_early_khz=${tscKhz} tsc=reliable no_timer_check`,
  elfMachine: 62,
  kcidbName: 'x86_64',
});

/** The architecture of a run when the user names none. */
export const defaultArch: Architecture = x86;
