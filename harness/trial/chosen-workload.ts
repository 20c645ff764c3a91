import { HarnessError } from '../errors.ts';
import type { ToolsDisk } from '../guest/argv.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import type { KernelVersion } from '../kernel/source.ts';
import type { TestKernelRequest } from '../kernel/test-kernel.ts';
import type { TestReport } from '../stress/test-report.ts';
import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';

/** A workload of the table, or the user's own program with the bytes to copy into the guest. */
export interface ChosenWorkload {
  readonly workload: Workload;
  readonly upload?: Uint8Array;
  /** The disk with the workload's program, which the guest must have. */
  readonly disk?: ToolsDisk;
  /** Set for a workload that consists of many tests: reads the result of each test from the output and from the end of the program. */
  readonly readTests?: TestReader;
  /** Returns the workload as it runs on a kernel of this version; undefined: no part of it runs there. Absent: the workload is the same on all kernels. */
  readonly forKernel?: (version: KernelVersion) => ChosenWorkload | undefined;
  /** Returns the workloads that this one stands for on a kernel that was built; throws `usage` when there are none. Absent: itself. */
  readonly onKernel?: (
    kernel: BuiltKernel,
    request: KernelRequest,
  ) => Promise<readonly ChosenWorkload[]>;
  /** Words of the kernel's command line for every guest of the run. Absent: none. */
  readonly guestArguments?: string;
}

/** What was asked for: the kernel, and the guests it runs in. */
export type KernelRequest = TestKernelRequest & { readonly memoryMiB: number };

/** Replaces the workloads that stand for others on this kernel; each name is kept once. */
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

export type TestReader = (stdout: string, end: WorkloadEnd) => TestReport;

/** What guests need for these workloads, in addition to what every guest has. */
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
