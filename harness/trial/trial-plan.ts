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
  /** The name of the trial's folder, unique in its run. */
  readonly id: string;
  readonly workload: Workload;
  readonly seed: number;
  /**
   * How long the workload runs, in milliseconds of the guest's clock. A workload of splat goes on until its witnesses have moved,
   * within the limit of guest/pace.ts.
   */
  readonly durationMs: number;
  /** The index, from 0, of the boot that the guest is a copy of; not used when the trial boots by itself. */
  readonly bootIndex: number;
  /** The titles of the splats that a canary must produce on this kernel. Absent: the trial is no canary, or is a `hole`. */
  readonly expected?: readonly string[];
  /** Set for a canary whose splats end its guest. */
  readonly endsGuest?: true;
  /**
   * Set for a canary that this kernel is known to miss: the titles that a kernel without the gap prints, and what is not checked
   * because of the gap.
   */
  readonly hole?: { readonly closedBy: readonly string[]; readonly unchecked: string };
  /**
   * The bytes of the user's own program or of a selftest, which are copied into the guest to the path of the workload's program.
   * The program gets the workload's arguments, and neither a seed nor a duration.
   */
  readonly upload?: Uint8Array;
  /** Set for a workload that consists of many tests: reads the result of each test from the program's stdout and end. */
  readonly readTests?: TestReader;
  /** Set when the trial ends at the first splat that is not known. Absent: the workload runs to its end. */
  readonly endAtSplat?: true;
}

/** A running guest, with what is known from its boot. */
export interface StartedGuest {
  readonly guest: Guest;
  readonly prepared: Prepared;
  /** How many times slower than a fast machine the guest boots, at least 1 (guest/pace.ts). */
  readonly slowness: number;
  /** The kernel image with symbols; absent when there is none. */
  readonly vmlinux?: string;
  /** The loaded modules, with the addresses of their code. Absent: no module. */
  readonly modules?: readonly ModuleCode[];
}

/** Where a trial's guest comes from, and who is told what. */
export interface TrialContext {
  /** Starts the guest of this trial: a copy of a checkpoint, or a fresh boot. */
  readonly start: (
    consolePath: string,
    onConsole: (bytes: Uint8Array) => void,
  ) => Promise<StartedGuest>;
  readonly cpus: number;
  /** The trial's folder: console.log, output.log and, if there is one, screen.png or hang.txt. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Called for each splat that is not known, also when it repeats. */
  readonly onSplat: (finding: Finding) => void;
  readonly onNote: (text: string) => void;
  /** Receives lockdep's tables at the end of the trial, if the guest still answers. Absent: the tables are not read. */
  readonly onLocks?: (dump: LockDump) => void;
  /** Receives the functions that ran in the trial, when the guest was prepared to count them. */
  readonly onCoverage?: (seen: TrialCoverage, armed: Armed) => void;
  /**
   * True for a splat of the baseline, and for a splat that this kernel is known to print: it is reported, but does not decide the
   * verdict. Absent: no splat is known.
   */
  readonly isKnown?: (finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>) => boolean;
}
