import { HarnessError } from '../errors.ts';
import type { ToolsDisk } from '../guest/argv.ts';
import type { KernelVersion } from '../kernel/source.ts';
import type { IgtReport } from '../stress/igt-end.ts';
import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';

/** A workload of the table, or a program of the user's with the bytes to put into the guest. */
export interface ChosenWorkload {
  readonly workload: Workload;
  readonly upload?: Uint8Array;
  /** Its program is on this disk of tools, which the guest must have. */
  readonly disk?: ToolsDisk;
  /** It is many tests: what they printed and how their program ended -> a result each. */
  readonly readTests?: TestReader;
  /** What it is on a kernel of that version; undefined: nothing of it is to run there. Absent: the same everywhere. */
  readonly forKernel?: (version: KernelVersion) => ChosenWorkload | undefined;
}

export type TestReader = (stdout: string, end: WorkloadEnd) => IgtReport;

/** What guests must have, beyond what all have, for these workloads. */
export function guestRequirements(chosen: readonly ChosenWorkload[]): {
  readonly disk?: ToolsDisk;
  readonly profile?: readonly string[];
} {
  const disks = new Map(
    chosen.flatMap((one) => (one.disk === undefined ? [] : [[one.disk.id, one.disk]])),
  );
  const [disk] = disks.values();
  if (disks.size > 1) {
    const text = 'tests of IGT and programs of Debian are on two disks: ask for them in two runs';
    throw new HarnessError('usage', text);
  }
  const named = chosen
    .filter(({ workload }) => workload.foreign === true)
    .flatMap(({ workload }) => workload.witnesses)
    .flatMap((name) => (name.startsWith('calls.') ? name.slice('calls.'.length) : []));
  const profile = [...new Set(named)].toSorted();
  return {
    ...(disk === undefined ? {} : { disk }),
    ...(profile.length === 0 ? {} : { profile }),
  };
}
