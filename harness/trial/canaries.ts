import { readFile } from 'node:fs/promises';
import { controls } from '../../patches/controls.ts';
import { type DetectorCheck, detectorChecks } from '../../patches/detector-checks.ts';
import { HarnessError } from '../errors.ts';
import type { BuiltKernel } from '../kernel/built-kernel.ts';
import { parseConfig } from '../kernel/config.ts';
import { compareVersions, type KernelVersion } from '../kernel/source.ts';
import { canaries, canaryWorkload } from '../stress/canaries.ts';
import type { Canary, Workload } from '../stress/workload.ts';
import { expectationOf } from './expectation.ts';

/** The facts about a kernel that decide which seeded bugs the kernel can report. */
export interface CanaryKernel {
  readonly version: KernelVersion;
  /** The symbols that are `y` in the kernel's configuration, without CONFIG_. */
  readonly options: ReadonlySet<string>;
}

/** Reads a built kernel's version and configuration, which decide which seeded bugs the kernel can report. */
export async function canaryKernel({
  version,
  config,
}: Pick<BuiltKernel, 'version' | 'config'>): Promise<CanaryKernel> {
  const values = parseConfig(await readFile(config, 'utf8'));
  const options = [...values].flatMap(([symbol, value]) => (value === 'y' ? [symbol] : []));
  return { version, options: new Set(options) };
}

/**
 * A canary (a workload with a seeded bug) and the titles of the splats that a kernel must print for the bug: all of these splats
 * and no others.
 */
export interface PlannedCanary {
  readonly workload: Workload;
  readonly expected: readonly string[];
  /** Set for a canary whose splats end the guest. */
  readonly endsGuest?: true;
}

/**
 * Returns the canaries (workloads with a seeded bug) whose splats this kernel must print. A canary that the kernel is known to
 * miss proves nothing; holesOf() returns such canaries.
 */
export function canariesFor(kernel: CanaryKernel): readonly PlannedCanary[] {
  return canariesOn(kernel)
    .map((canary) => ({
      workload: canaryWorkload(canary),
      expected: expectedTitles(canary, kernel.version),
      ...(canary.endsGuest === undefined ? {} : { endsGuest: canary.endsGuest }),
    }))
    .filter(({ expected }) => expected.length > 0);
}

/** A canary (a workload with a seeded bug) that this kernel is known to miss. */
export interface PlannedHole {
  readonly workload: Workload;
  /**
   * The titles of the splats with which a kernel reports this seeded bug. When this kernel prints them too, its gap is closed.
   */
  readonly closedBy: readonly string[];
  /** What this kernel does not check and so misses the seeded bug: `lock order inside hlist callbacks`. */
  readonly unchecked: string;
}

/**
 * Returns the canaries (workloads with a seeded bug) that a kernel is known to miss. Their trials show whether the kernel still
 * misses them.
 */
export function holesOf(kernel: CanaryKernel): readonly PlannedHole[] {
  return canariesOn(kernel)
    .filter((canary) => expectedTitles(canary, kernel.version).length === 0)
    .map((canary) => ({
      workload: canaryWorkload(canary),
      closedBy: controlOf(canary).expectations.flatMap(({ splats }) =>
        splats.map(({ title }) => title),
      ),
      unchecked: canary.proves ?? `what ${canary.name} seeds`,
    }));
}

/**
 * Returns the canaries (workloads with a seeded bug) whose detectors are in a kernel's configuration. Each canary has a trigger
 * (the system call or event that runs the bug) that this kernel has.
 */
function canariesOn({ version, options }: CanaryKernel): readonly Canary[] {
  return canaries
    .filter(({ needs = [] }) => needs.every((symbol) => options.has(symbol)))
    .map((canary) => triggerFor(canary, version));
}

/**
 * Returns the canary with a trigger that this kernel has. Kernels before 5.15 have no process_mrelease(2). On these kernels the
 * trigger is the OOM reaper, because only the reaper runs callbacks there that must not block.
 */
function triggerFor(canary: Canary, version: KernelVersion): Canary {
  const lacks = canary.trigger === 'mrelease' && compareVersions(version, [5, 15]) < 0;
  return lacks ? { ...canary, trigger: 'oom-memcg' } : canary;
}

function expectedTitles(canary: Canary, version: KernelVersion): readonly string[] {
  const { splats } = expectationOf(controlOf(canary), version, 'in');
  return splats.map(({ title }) => title);
}

function controlOf({ name, mode, notifier, trigger }: Canary): DetectorCheck {
  const control = [...controls, ...detectorChecks].find(
    (known) => known.mode === mode && known.notifier === notifier && known.trigger === trigger,
  );
  if (control !== undefined) return control;
  throw new HarnessError('internal', `canary ${name} is in no table of patches/`);
}
