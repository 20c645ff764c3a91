import type { Guest } from '../guest/boot.ts';
import type { ModuleCode } from '../host/code-symbols.ts';
import type { LockDump } from '../locks/dependencies.ts';
import type { Finding } from '../records/finding.ts';
import type { Workload } from '../stress/workloads.ts';
import type { TestReader } from './chosen-workload.ts';
import type { Armed, TrialCoverage } from './coverage.ts';
import type { Prepared } from './observe.ts';

/** One workload with one seed in one fresh guest. */
export interface TrialPlan {
  /** A folder name, unique in its run. */
  readonly id: string;
  readonly workload: Workload;
  readonly seed: number;
  /** How long the workload stresses, in milliseconds of the guest. */
  readonly durationMs: number;
  /** Which of the boots it is a copy of. */
  readonly bootIndex: number;
  /** The splats a canary must produce on this kernel. */
  readonly expected?: readonly string[];
  /** Set for a canary that this kernel is known to miss: what it says all the same where the hole is closed, and what is not checked else. */
  readonly hole?: { readonly closedBy: readonly string[]; readonly unchecked: string };
  /** The user's own program, put into the guest as the workload's; it gets the workload's arguments and no others. */
  readonly upload?: Uint8Array;
  /** The workload is many tests: what they printed and how their program ended -> a result each. */
  readonly readTests?: TestReader;
  /** Nothing after the first splat is of interest. */
  readonly endAtSplat?: true;
}

/** A guest that runs, with what its boot told of it. */
export interface StartedGuest {
  readonly guest: Guest;
  readonly prepared: Prepared;
  /** As of guest/pace.ts. */
  readonly slowness: number;
  /** Its kernel's image with symbols; absent: none is at hand. */
  readonly vmlinux?: string;
  /** The modules in it, where their code lies. Absent: none. */
  readonly modules?: readonly ModuleCode[];
}

export interface TrialContext {
  /** Starts this trial's guest: a copy of a checkpoint, or a boot of its own. */
  readonly start: (
    consolePath: string,
    onConsole: (bytes: Uint8Array) => void,
  ) => Promise<StartedGuest>;
  readonly cpus: number;
  /** The trial's folder: console.log, output.log, and a picture where one was drawn. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly onSplat: (finding: Finding) => void;
  readonly onNote: (text: string) => void;
  /** Gets what the guest's lockdep knew at the end of the trial; absent: it is not asked. */
  readonly onLocks?: (dump: LockDump) => void;
  /** Gets what ran in the trial, where its guest was prepared for that. */
  readonly onCoverage?: (seen: TrialCoverage, armed: Armed) => void;
  /** True for a splat of the baseline, or one this kernel is known for: it is reported, and does not decide. Absent: none is. */
  readonly isKnown?: (finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>) => boolean;
}
