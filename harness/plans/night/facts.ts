import type { StoredTrial } from '../../history/results.ts';
import type { CellKernel } from '../../night/cell-items.ts';
import type { TrialFacts } from '../../night/judge-trial.ts';
import type { KernelFacts, RunResult } from '../../records/run-result.ts';
import type { TrialResult } from '../../records/trial.ts';
import { type Untestable, verdictPhrase } from '../../verdict.ts';

/** What a night keeps of a trial to judge it. `run` is the path of the trial's run below the night's folder. */
export function factsOf(trial: TrialResult, run: string): TrialFacts {
  const {
    id,
    seed,
    verdict,
    end,
    ledger,
    witnesses,
    absentWitnesses = [],
    splats,
    timings,
  } = trial;
  const { deadBefore, deadAfter, incomplete } = ledger;
  return {
    id,
    run,
    seed,
    verdict,
    end,
    deadBefore,
    deadAfter,
    incomplete,
    witnesses,
    absentWitnesses,
    splats: splats.map(({ signature, title, known = false }) => ({ key: signature, title, known })),
    totalMs: timings.totalMs,
    firstSplatMs: timings.firstSplatMs,
  };
}

/** A trial as the history stores it. */
export function storedTrial(facts: TrialFacts, purpose: StoredTrial['purpose']): StoredTrial {
  const { id, run, seed, verdict, totalMs, firstSplatMs } = facts;
  return {
    purpose,
    trial: id,
    run,
    seed,
    verdict: verdict.kind,
    because: 'because' in verdict ? verdict.because : '',
    totalMs: Math.round(totalMs),
    firstSplatMs,
    facts: JSON.stringify(facts),
  };
}

/**
 * What a night knows of a machine: a kernel, together with its guests of one kind. The cells of a machine differ only
 * in their workload.
 */
export interface MachineFacts {
  /** True when every trial of the machine's cells has a result. */
  readonly done: boolean;
  readonly kernel: CellKernel;
  readonly untestable?: Untestable;
  readonly failure?: { readonly message: string; readonly log: string };
  readonly missedControls: readonly string[];
  readonly bootSplats: readonly {
    readonly key: string;
    readonly title: string;
    readonly known: boolean;
  }[];
}

/** The kernel of a cell that no run has reported: every field is null. */
export const noKernel: CellKernel = {
  sha: null,
  source: null,
  release: null,
  kernelId: null,
  image: null,
  ranOn: null,
};

/** The kernel of a cell, as the night reports it. When `facts` is null, because the kernel was not built, only `sha` is known. */
export function kernelOf(
  facts: KernelFacts | null,
  ranOn: string | null,
  sha: string | null,
): CellKernel {
  if (facts === null) return { ...noKernel, sha };
  const { source, release, id, imageDigest, fragments } = facts;
  return {
    sha,
    source,
    release,
    kernelId: id,
    image: imageDigest,
    ranOn,
    ...(fragments === undefined ? {} : { fragments }),
  };
}

/**
 * Replaces the kernel in the facts about a machine by `ran`, the kernel of the machine's earlier trials in this night, when the
 * last run started no guest. So the splats of these trials can be compared with those of earlier nights.
 */
export function withKernel(facts: MachineFacts, ran: CellKernel | undefined): MachineFacts {
  return ran === undefined || facts.kernel.ranOn !== null ? facts : { ...facts, kernel: ran };
}

/**
 * What a run says about its kernel and guests: whether the kernel is untestable, which canaries were missed, and which splats the
 * boots showed. `sha` is the commit of the kernel; null for a kernel that was not built from a commit.
 */
export function machineFacts(result: RunResult, sha: string | null): MachineFacts {
  const controls = result.trials.filter(({ canary }) => canary !== undefined);
  const { verdict } = result;
  return {
    done: true,
    kernel: kernelOf(result.kernel, result.accel, sha),
    ...(verdict.kind === 'untestable' ? { untestable: verdict } : {}),
    missedControls: controls
      .filter((one) => one.verdict.kind !== 'clean')
      .map((one) => `${one.canary} (${verdictPhrase(one.verdict)})`),
    bootSplats: result.bootSplats.map(({ signature, title, known = false }) => ({
      key: signature,
      title,
      known,
    })),
  };
}
