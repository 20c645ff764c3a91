import { compareVersions, type KernelVersion, parseVersion } from '../kernel/source.ts';
import { canaries, type Workload } from '../stress/workloads.ts';

/** The canaries that mean something on a kernel of that version. */
export function canariesFor(version: KernelVersion): readonly Workload[] {
  return canaries.filter(
    ({ before }) => before === undefined || compareVersions(version, parseVersion(before)) < 0,
  );
}
