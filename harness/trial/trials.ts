import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { type Emit, inStage } from '../events.ts';
import type { Checkpoint } from '../guest/checkpoint.ts';
import { writeWhole } from '../host/disk.ts';
import { verdictPhrase } from '../verdict.ts';
import type { Lab } from './lab.ts';
import { inParallel } from './parallel.ts';
import type { TrialContext, TrialPlan, TrialResult } from './plan.ts';
import { runTrial } from './trial.ts';

/** What QEMU itself needs beside the guest's memory. */
const qemuOverheadMiB = 256;

/** How trials are run. */
export interface TrialsRequest {
  /** Trials at a time; undefined: as many as cores and free memory allow. */
  readonly parallelTrials: number | undefined;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Boot for every trial instead of copying a checkpoint. */
  readonly cold: boolean;
  /** Splats that are known do not decide; absent: none is. */
  readonly known?: KnownSplats;
  /** The run directory. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** Gets what the guest's lockdep knew at the end of a trial; undefined: it is not asked. */
  readonly locksOf?: (plan: TrialPlan) => TrialContext['onLocks'];
}

/** Splats that an earlier run has seen. */
export interface KnownSplats {
  readonly signatures: ReadonlySet<string>;
  /** Of splats that have no report, as "no output in munmap". */
  readonly titles: ReadonlySet<string>;
}

/** Runs all trials, several at a time; results in the order of the plans. */
export async function runTrials(
  plans: readonly TrialPlan[],
  lab: Lab,
  checkpoints: readonly (Checkpoint | undefined)[],
  request: TrialsRequest,
): Promise<readonly TrialResult[]> {
  const { emit } = request;
  const total = plans.length;
  const title = total === 1 ? '1 trial' : `${total} trials`;
  return inStage(
    emit,
    'trials',
    title,
    async () =>
      inParallel(plans, parallelTrials(request), async (plan, index) => {
        emit({ kind: 'trial-start', id: plan.id, index, total });
        const result = await runWithSecondLook(plan, lab, checkpoints, request);
        // Kept at once: what was found is not lost when a later trial, or the host, fails.
        const file = join(request.dir, 'trials', plan.id, 'trial.json');
        await writeWhole(file, `${JSON.stringify(result, null, 2)}\n`);
        const { totalMs } = result.timings;
        emit({
          kind: 'trial-end',
          id: plan.id,
          phrase: verdictPhrase(result.verdict),
          durationMs: totalMs,
        });
        return result;
      }),
    () => title,
  );
}

/** Silence may be the host's fault once; in two fresh guests with one seed it is the kernel's. */
async function runWithSecondLook(
  plan: TrialPlan,
  lab: Lab,
  checkpoints: readonly (Checkpoint | undefined)[],
  request: TrialsRequest,
): Promise<TrialResult> {
  const first = await runTrial(plan, trialContext(plan, plan.id, lab, checkpoints, request));
  if (!isHung(first)) return first;
  request.emit({ kind: 'note', text: `${plan.id}: no result; trying once more in a fresh guest` });
  const second = await runTrial(
    plan,
    trialContext(plan, `${plan.id}.again`, lab, checkpoints, request),
  );
  const title = `no output in ${plan.workload.name}`;
  if (!isHung(second) || request.known?.titles.has(title)) return second;
  return { ...second, verdict: { kind: 'splat', titles: [title] } };
}

function isHung({ verdict }: TrialResult): boolean {
  return verdict.kind === 'inconclusive' && verdict.because === 'hung';
}

function trialContext(
  plan: TrialPlan,
  folder: string,
  lab: Lab,
  checkpoints: readonly (Checkpoint | undefined)[],
  request: TrialsRequest,
): TrialContext {
  const checkpoint = checkpoints[plan.bootIndex];
  if (checkpoint === undefined) throw new HarnessError('internal', `no boot ${plan.bootIndex}`);
  const { signal } = request;
  const onLocks = request.locksOf?.(plan);
  return {
    start: async (consolePath, onConsole) =>
      request.cold
        ? lab.boot({ consolePath, onConsole, signal })
        : lab.fork(checkpoint, { consolePath, onConsole, signal }),
    slowness: checkpoint.slowness,
    cpus: request.cpus,
    dir: join(request.dir, 'trials', folder),
    signal,
    isKnown: ({ signature }) => request.known?.signatures.has(signature) === true,
    ...(onLocks === undefined ? {} : { onLocks }),
    onSplat: ({ title }) => request.emit({ kind: 'splat', trial: plan.id, title }),
    onNote: (text) => request.emit({ kind: 'note', text }),
  };
}

/** How many guests run at a time. */
export function parallelTrials(
  request: Pick<TrialsRequest, 'parallelTrials' | 'memoryMiB'>,
): number {
  if (request.parallelTrials !== undefined) return request.parallelTrials;
  const byMemory = Math.floor(freemem() / 2 ** 20 / (request.memoryMiB + qemuOverheadMiB));
  return Math.max(1, Math.min(availableParallelism(), byMemory));
}
