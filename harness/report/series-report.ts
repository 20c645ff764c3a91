import type { PatchVerdict } from '../verdict.ts';

/** series.json, schema splat-series/1, as `splat series --json` prints it. Subjects, titles and names are other people's text. */
export interface SeriesReport {
  readonly schema: 'splat-series/1';
  /** The word for the whole series. `because` names the patches. */
  readonly verdict: {
    readonly kind: 'splat' | 'untestable' | 'inconclusive' | 'clean';
    readonly because?: string;
  };
  readonly exitCode: number;
  readonly base: ReportedBase;
  readonly series: {
    /** S of the command line. */
    readonly name: string;
    /** Of the cover letter; `subjectLine` has the brackets, too. */
    readonly cover: {
      readonly subject: string;
      readonly subjectLine: string;
      readonly messageId?: string;
    } | null;
    /** What was passed over in its thread, and what its trailers ask for. */
    readonly notes: readonly string[];
  };
  readonly patches: readonly ReportedPatch[];
  readonly workloads: readonly ReportedWorkload[];
  /** The functions the series changes, and whether they ran. */
  readonly coverage: readonly ReportedFunction[];
  /** The tree's own tests for the files it changes, not run here: `command` is typed in the tree's top folder. */
  readonly suites: readonly {
    readonly kind: 'kunit' | 'kselftest';
    readonly name: string;
    readonly files: readonly string[];
    readonly command: string;
  }[];
  /** `kvm` or `tcg`; null when nothing was booted. */
  readonly accel: string | null;
  readonly seed: number;
  readonly confidence: number;
  readonly timings: {
    readonly buildSeconds: number;
    /** CPU time of all compilers as measured when each kernel was made. */
    readonly buildCpuSeconds: number;
    readonly trialSeconds: number;
    readonly trials: number;
  };
}

/**
 * A function the series changes. Untraceable: inlined where nothing is traced, in a folder ftrace leaves out, as lib/, or
 * named like another for 30 characters, which is all the function profiler prints.
 */
export interface ReportedFunction {
  readonly name: string;
  readonly file: string;
  readonly state: 'ran' | 'not-run' | 'untraceable';
  /** It is inlined: what was counted is this caller. */
  readonly through?: string;
  /** Calls in all trials, by workload. */
  readonly calls: Readonly<Record<string, number>>;
}

/** A kernel of the series. */
export interface ReportedBuild {
  /** The key of the kernel in the store. */
  readonly kernel: string;
  /** SHA-256 of the image. */
  readonly image: string;
  readonly release: string;
  readonly compiler: string;
  readonly sandbox: string;
  readonly objects: number;
  readonly cpuSeconds: number;
  readonly fromCache: boolean;
}

/** The base: the kernel, our own and the user's base series. */
export interface ReportedBase {
  /** K. */
  readonly kernel: string;
  readonly source: string;
  /** Each S0. */
  readonly series: readonly string[];
  readonly state: 'ready' | 'broken';
  readonly because?: string;
  readonly build: ReportedBuild | null;
  /** Seeded bugs it does not show. */
  readonly unproved: readonly string[];
  /** Splats it has without the series: nobody's. */
  readonly splats: readonly Omit<ReportedSuspect, 'confidence'>[];
}

export interface ReportedPatch {
  /** From 1. */
  readonly index: number;
  readonly subject: string;
  /** As the mail has it, brackets and all; null for what came without mail headers. */
  readonly subjectLine: string | null;
  readonly author: string | null;
  readonly messageId: string | null;
  readonly verdict: PatchVerdict;
  /** One line; absent where there is nothing to add. */
  readonly because?: string;
  /** It breaks a build or a boot that its predecessor had. */
  readonly breaks: boolean;
  /** What appeared, or for `fixes` what went. */
  readonly splats: readonly ReportedSuspect[];
  /** Functions and macros it changes; empty when it does not apply. */
  readonly functions: readonly {
    readonly name: string;
    readonly file: string;
    readonly kind: 'function' | 'macro';
  }[];
  /** It changes detector code alone, or the user said so. */
  readonly detector: boolean;
  /** Warnings of the compiler that no kernel before it had. */
  readonly warnings: readonly { readonly place: string; readonly text: string }[];
  /**
   * Lock dependencies that no prefix before it taught lockdep, at classes where memory management and drivers meet: a hint,
   * for two trials do not meet all a kernel can do. `almost` is the shortest path that needs one more to be a cycle.
   */
  readonly locks: readonly {
    readonly from: string;
    readonly to: string;
    readonly cycle?: readonly string[];
    readonly almost?: readonly string[];
  }[];
  /** Null when nothing was built of it. */
  readonly build: ReportedBuild | null;
}

/** A splat with what is known of it. */
export interface ReportedSuspect {
  readonly title: string;
  readonly signature: string;
  /** How often a kernel that has it shows it in a trial of these workloads. */
  readonly rate: number;
  /** How probable it is that this patch is the one. */
  readonly confidence: number;
  readonly workloads: readonly string[];
  /** The first report of it, with file and line. */
  readonly report: readonly string[];
}

export interface ReportedWorkload {
  readonly name: string;
  /** Trials of the last prefix that could have shown something. */
  readonly heard: number;
  /** A splat that fires more often than this would have been seen there with a chance of 95 %; null: nothing was heard. */
  readonly seenAbove: number | null;
  /** The same for one that a later patch takes away again: of the prefix that was listened to least. */
  readonly curedSeenAbove: number | null;
}
