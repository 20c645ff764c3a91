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
   * How long the workload runs, in milliseconds of the guest's clock. splat's own workloads run longer when a required witness is
   * still zero, up to the limit of guest/pace.ts.
   */
  readonly durationMs: number;
  /** The index, from 0, of the boot of which the trial's guest is a copy. Not used when the trial boots its own guest. */
  readonly bootIndex: number;
  /**
   * For a canary (a trial with a seeded bug): the titles of the splats that this kernel must print. Absent: the trial is no
   * canary, or the kernel is known to miss the bug (`hole`).
   */
  readonly expected?: readonly string[];
  /** Set for a canary, a trial with a seeded bug, whose splats end its guest. */
  readonly endsGuest?: true;
  /**
   * Set for a canary (a trial with a seeded bug) that this kernel is known to miss. `closedBy`: the titles of the splats that a
   * kernel prints when it does not miss the bug. `unchecked`: what this kernel does not check.
   */
  readonly hole?: { readonly closedBy: readonly string[]; readonly unchecked: string };
  /**
   * The bytes of the user's program or of a selftest. splat copies them into the guest, to the path of the workload's program.
   * The program gets the workload's arguments, but no seed and no duration.
   */
  readonly upload?: Uint8Array;
  /**
   * For a workload that consists of many tests: reads the result of each test from the program's output and end. Absent for any
   * other workload.
   */
  readonly readTests?: TestReader;
  /** Set when the trial ends at the first splat that is not known. Absent: the workload runs to its end. */
  readonly endAtSplat?: true;
}

/** A running guest, with the facts about it that its boot has shown. */
export interface StartedGuest {
  readonly guest: Guest;
  readonly prepared: Prepared;
  /** How many times slower the guest boots than a guest on a fast machine, at least 1 (guest/pace.ts). */
  readonly slowness: number;
  /** The path of the kernel image with symbols. Absent: there is no such image. */
  readonly vmlinux?: string;
  /** The loaded modules, with the addresses of their code. Absent: no module. */
  readonly modules?: readonly ModuleCode[];
}

/** How to start a trial's guest, where the trial's files go, and which functions receive what happens. */
export interface TrialContext {
  /** Starts the guest of this trial: a copy of a checkpoint, or a fresh boot. */
  readonly start: (
    consolePath: string,
    onConsole: (bytes: Uint8Array) => void,
  ) => Promise<StartedGuest>;
  readonly cpus: number;
  /**
   * The trial's folder, for console.log and output.log, and for screen.png (a picture) and hang.txt (stacks) when they are made.
   */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Called for each splat that is not known, also for a repeated splat. */
  readonly onSplat: (finding: Finding) => void;
  readonly onNote: (text: string) => void;
  /** Receives lockdep's tables at the end of the trial, if the guest still answers. Absent: the tables are not read. */
  readonly onLocks?: (dump: LockDump) => void;
  /** For a coverage run: receives the functions that ran in the trial, when the guest was prepared to count them. */
  readonly onCoverage?: (seen: TrialCoverage, armed: Armed) => void;
  /**
   * True for a known splat: the baseline (an earlier run) has it, or this kernel is known to print it. A known splat is reported
   * but does not decide the verdict. Absent: no splat is known.
   */
  readonly isKnown?: (finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>) => boolean;
}
