import type { PrefixTrial, StepState } from '../../records/series-journal.ts';
import { inParallel } from '../../trial/parallel.ts';
import { type Ask, type Limits, nextFloor, nextLocate } from './decide.ts';
import { type Evidence, learnStep, learnTrial, placesOf, trialsOf } from './evidence.ts';

/** Builds, boots and tries prefixes; real kernels, or those of a simulation. */
export interface Tester {
  /** Builds and boots a prefix. `before` is the last testable prefix. */
  readonly prepare: (step: number, before: number | undefined) => Promise<StepState>;
  /** Trials of an earlier series on the image of a prefix, asked for once after prepare(). Absent: there are none. */
  readonly recall?: (step: number) => Promise<readonly PrefixTrial[]>;
  /** `index` counts the trials of this workload on this prefix. */
  readonly trial: (step: number, workload: string, index: number) => Promise<PrefixTrial>;
  /** False when the trials so far show that this workload does not call the functions that the prefix changes. */
  readonly mayReach: (step: number, workload: string) => boolean;
}

export interface WalkRequest {
  /** Number of patches. */
  readonly count: number;
  readonly workloads: readonly string[];
  readonly limits: Limits;
  readonly tester: Tester;
  /** Number of trials at a time. */
  readonly parallel: number;
  /** The evidence from which the walk continues. */
  readonly evidence: Evidence;
  /** Called before a prefix is built. */
  readonly onStep?: (step: number) => void;
}

/** Walks the series patch by patch, then returns to the prefixes where the splats that were seen can be located. */
export async function walkSeries(request: WalkRequest): Promise<Evidence> {
  const { count, limits, tester, workloads } = request;
  let { evidence } = request;
  const run = async (next: (known: Evidence) => Ask | undefined): Promise<void> => {
    for (let ask = next(evidence); ask !== undefined; ask = next(evidence)) {
      for (const trial of await tryAll(ask, evidence, request)) {
        evidence = learnTrial(evidence, trial);
      }
    }
  };
  for (let step = 0; step <= count; step += 1) {
    if (!evidence.steps.has(step)) {
      request.onStep?.(step);
      const before = placesOf(evidence).at(-1);
      evidence = learnStep(evidence, step, await tester.prepare(step, before));
      for (const trial of (await tester.recall?.(step)) ?? []) {
        evidence = learnTrial(evidence, trial);
      }
    }
    // Without a base no patch can be judged.
    if (evidence.steps.get(0)?.kind === 'broken') return evidence;
    if (evidence.steps.get(step)?.kind !== 'ready') continue;
    await run((known) => nextFloor(known, step, workloads, () => limits.perPrefix));
    if (step === 0) continue;
    const deepFloor = (workload: string): number =>
      tester.mayReach(step, workload) ? limits.whereReached : limits.perPrefix;
    await run((known) => nextFloor(known, step, workloads, deepFloor));
  }
  // A rare splat of the base must not be blamed on a patch, so the base gets as many trials as the prefixes.
  const reached = (workload: string): boolean =>
    placesOf(evidence).some((step) => step > 0 && tester.mayReach(step, workload));
  const baseFloor = (workload: string): number =>
    reached(workload) ? limits.whereReached : limits.perPrefix;
  await run((known) => nextFloor(known, 0, workloads, baseFloor));
  const head = placesOf(evidence).at(-1);
  if (head !== undefined) {
    await run((known) => nextFloor(known, head, workloads, () => limits.atHead));
  }
  await run((known) => nextLocate(known, limits));
  return evidence;
}

async function tryAll(
  ask: Ask,
  evidence: Evidence,
  { tester, parallel }: WalkRequest,
): Promise<readonly PrefixTrial[]> {
  const own = trialsOf(evidence, ask.step).filter(({ workload }) => workload === ask.workload);
  const first = own.length;
  const wanted = ask.why === 'floor' ? Math.min(ask.runs, parallel) : parallel;
  const indices = Array.from({ length: wanted }, (_, at) => first + at);
  return inParallel(indices, parallel, async (index) =>
    tester.trial(ask.step, ask.workload, index),
  );
}
