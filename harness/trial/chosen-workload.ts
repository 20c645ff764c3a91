import { HarnessError } from '../errors.ts';
import type { ToolsDisk } from '../guest/argv.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import type { KernelVersion } from '../kernel/source.ts';
import type { TestKernelRequest } from '../kernel/test-kernel.ts';
import type { TestReport } from '../stress/test-report.ts';
import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';

/** A workload that `--workload` chose. Besides the workload itself, it has what the trials of this workload need. */
export interface ChosenWorkload {
  readonly workload: Workload;
  /** The program's bytes, which are copied into the guest. Absent: the guest or the disk has the program. */
  readonly upload?: Uint8Array;
  /** The disk with the workload's program. Absent: the workload needs no disk. */
  readonly disk?: ToolsDisk;
  /**
   * For a workload that consists of many tests: reads the result of each test from the program's output and end. Absent for any
   * other workload.
   */
  readonly readTests?: TestReader;
  /**
   * Returns the workload as it runs on a kernel of this version; undefined when no part of it runs there. Absent: the workload is
   * the same on all kernels.
   */
  readonly forKernel?: (version: KernelVersion) => ChosenWorkload | undefined;
  /**
   * Returns the workloads that this workload stands for on a kernel that was built; throws `usage` when its name matches nothing
   * there. Absent: the workload stands for itself.
   */
  readonly onKernel?: (
    kernel: BuiltKernel,
    request: KernelRequest,
  ) => Promise<readonly ChosenWorkload[]>;
  /** Words to add to the kernel's command line of every guest of the run, not only of this workload's. Absent: no words. */
  readonly guestArguments?: string;
}

/** The kernel that the user asked for, and how much memory its guests have. */
export type KernelRequest = TestKernelRequest & { readonly memoryMiB: number };

/**
 * Returns the workloads for a kernel that was built. A workload that stands for several others on this kernel, such as
 * `kunit:drm*`, is replaced by these others. Each name occurs once.
 */
export async function settleWorkloads(
  chosen: readonly ChosenWorkload[],
  kernel: BuiltKernel,
  request: KernelRequest,
): Promise<readonly ChosenWorkload[]> {
  const settled = new Map<string, ChosenWorkload>();
  for (const one of chosen) {
    const all = one.onKernel === undefined ? [one] : await one.onKernel(kernel, request);
    for (const each of all) settled.set(each.workload.name, each);
  }
  return [...settled.values()];
}

/** Reads the result of each test from a program's stdout and from how the program ended. */
export type TestReader = (stdout: string, end: WorkloadEnd) => TestReport;

/**
 * Returns what guests need to run these workloads, besides what every guest has: a disk with programs, functions whose calls the
 * kernel counts (`profile`), and words of the kernel's command line. A field is absent when no workload needs it. Throws `usage`
 * when the workloads need two different disks.
 */
export function guestRequirements(chosen: readonly ChosenWorkload[]): {
  readonly disk?: ToolsDisk;
  readonly profile?: readonly string[];
  readonly guestArguments?: string;
} {
  const disks = new Map(
    chosen.flatMap((one) => (one.disk === undefined ? [] : [[one.disk.id, one.disk]])),
  );
  const [disk] = disks.values();
  if (disks.size > 1) {
    const text =
      'tests of IGT and programs of Debian are on different disks, and a guest can have only one: use two runs';
    throw new HarnessError('usage', text);
  }
  const named = chosen
    .filter(({ workload }) => workload.foreign === true)
    .flatMap(({ workload }) => workload.witnesses)
    .flatMap((name) => (name.startsWith('calls.') ? name.slice('calls.'.length) : []));
  const profile = [...new Set(named)].toSorted();
  const words = new Set(chosen.flatMap(({ guestArguments = [] }) => guestArguments));
  return {
    ...(disk === undefined ? {} : { disk }),
    ...(profile.length === 0 ? {} : { profile }),
    ...(words.size === 0 ? {} : { guestArguments: [...words].join(' ') }),
  };
}
