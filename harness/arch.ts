/**
 * Architectures a kernel can be built for and a guest can be of: one frozen row each. A shared word, for the kernel, the
 * guest and the reports need different parts of one row.
 */
export interface Architecture {
  /** As `--arch` takes it. */
  readonly name: 'x86-64';
  /** `ARCH=` of the kernel's Makefile. */
  readonly makeArch: string;
  /** The make target of the image that QEMU's -kernel takes, and where make leaves it below its output folder. */
  readonly imageTarget: string;
  readonly imagePath: string;
  /** `CROSS_COMPILE=` where the host is another architecture. */
  readonly crossPrefix: string;
  readonly qemu: { readonly program: string; readonly debianPackage: string };
  /** Values of -machine and -cpu (qemu(1)). */
  readonly machine: string;
  readonly cpu: { readonly kvm: string; readonly tcg: string };
  /** The serial console and the early one, as the kernel's command line has them. */
  readonly console: { readonly device: string; readonly early: string };
  /** Words of the kernel's command line for its clock, from the rate of the host's time stamp counter in kHz. */
  readonly clockArguments: (tscKhz: number) => string;
  /** e_machine of its programs (elf(5)). */
  readonly elfMachine: number;
  /** `architecture` of a KCIDB build. */
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
  // Without ERMS the kernel clears and copies by words: `rep stosb` is emulated byte by byte, and a huge page took 3 to 7 ms instead of 0.6.
  cpu: { kvm: 'host,migratable=on', tcg: 'max,-erms' },
  console: { device: 'ttyS0', early: 'serial,ttyS0' },
  // Without ACPI there is nothing to calibrate with, and a restored guest's counter is right. Whether the timer's
  // interrupt arrives is tried in a busy loop of a few ms: on a busy host it fails, and the boot ends in a panic.
  clockArguments: (tscKhz: number) => `tsc_early_khz=${tscKhz} tsc=reliable no_timer_check`,
  elfMachine: 62,
  kcidbName: 'x86_64',
});

/** The architecture of a run that names none. */
export const defaultArch: Architecture = x86;
