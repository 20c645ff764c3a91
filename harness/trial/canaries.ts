import { controls } from '../../patches/controls.ts';
import type { Control } from '../../patches/seeded-bugs.ts';
import { HarnessError } from '../errors.ts';
import { compareVersions, type KernelVersion } from '../kernel/source.ts';
import { type Canary, canaries, canaryWorkload, type Workload } from '../stress/workloads.ts';
import { expectationOf } from './expectation.ts';

/** A canary and the titles of the splats that this kernel must print for it: all of them, and no others. */
export interface PlannedCanary {
  readonly workload: Workload;
  readonly expected: readonly string[];
}

/** The canaries that a kernel of this version can detect. A canary that the kernel is known to miss proves nothing. */
export function canariesFor(version: KernelVersion): readonly PlannedCanary[] {
  return canaries
    .map((canary) => triggerFor(canary, version))
    .map((canary) => ({
      workload: canaryWorkload(canary),
      expected: expectedTitles(canary, version),
    }))
    .filter(({ expected }) => expected.length > 0);
}

/** A canary that this kernel is known to miss. */
export interface PlannedHole {
  readonly workload: Workload;
  /** The titles that the kernel prints if someone has fixed the gap in its detectors. */
  readonly closedBy: readonly string[];
  /** What this kernel does not check because of that gap. */
  readonly unchecked: string;
}

/** The canaries that a kernel of that version is known to miss: they show that it does, or that it no longer does. */
export function holesOf(version: KernelVersion): readonly PlannedHole[] {
  return canaries
    .map((canary) => triggerFor(canary, version))
    .filter((canary) => expectedTitles(canary, version).length === 0)
    .map((canary) => ({
      workload: canaryWorkload(canary),
      closedBy: controlOf(canary).expectations.flatMap(({ splats }) =>
        splats.map(({ title }) => title),
      ),
      unchecked: canary.proves ?? `what ${canary.name} seeds`,
    }));
}

/**
 * The canary with a trigger that this kernel has. Kernels before 5.15 have no process_mrelease(2); on them only the OOM reaper runs
 * callbacks that must not block.
 */
function triggerFor(canary: Canary, version: KernelVersion): Canary {
  const lacks = canary.trigger === 'mrelease' && compareVersions(version, [5, 15]) < 0;
  return lacks ? { ...canary, trigger: 'oom-memcg' } : canary;
}

function expectedTitles(canary: Canary, version: KernelVersion): readonly string[] {
  const { splats } = expectationOf(controlOf(canary), version, 'in');
  return splats.map(({ title }) => title);
}

function controlOf({ name, mode, notifier, trigger }: Canary): Control {
  const control = controls.find(
    (known) => known.mode === mode && known.notifier === notifier && known.trigger === trigger,
  );
  if (control !== undefined) return control;
  throw new HarnessError('internal', `canary ${name} is not in patches/controls.ts`);
}
