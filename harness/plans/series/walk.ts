import type { PrefixTrial, StepState } from '../../records/series-journal.ts';
import { inParallel } from '../../trial/parallel.ts';
import { type Ask, type Limits, nextFloor, nextLocate } from './decide.ts';
import { type Evidence, learnStep, learnTrial, placesOf, trialsOf } from './evidence.ts';

/** What builds, boots and tries prefixes: real kernels, or those of a simulation. */
export interface Tester {
  /** Builds and boots a prefix; `before` is the last prefix that could be tested. */
  readonly prepare: (step: number, before: number | undefined) => Promise<StepState>;
  /** `index` counts the trials of this workload on this prefix. */
  readonly trial: (step: number, workload: string, index: number) => Promise<PrefixTrial>;
  /** False when the trials so far show that this workload does not call what the patches of this prefix change. */
  readonly mayReach: (step: number, workload: string) => boolean;
}

export interface WalkRequest {
  /** How many patches there are. */
  readonly count: number;
  readonly workloads: readonly string[];
  readonly limits: Limits;
  readonly tester: Tester;
  /** Trials at a time. */
  readonly parallel: number;
  /** What was known before: the walk goes on from it. */
  readonly evidence: Evidence;
  /** Called before a prefix is looked at. */
  readonly onStep?: (step: number) => void;
}

/** Goes through the series patch by patch, then back to wherever a splat that was seen has to be looked for. */
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
    }
    // Without a base nothing can be said of any patch.
    if (evidence.steps.get(0)?.kind === 'broken') return evidence;
    if (evidence.steps.get(step)?.kind !== 'ready') continue;
    await run((known) => nextFloor(known, step, workloads, () => limits.perPrefix));
    if (step === 0) continue;
    const deepFloor = (workload: string): number =>
      tester.mayReach(step, workload) ? limits.whereReached : limits.perPrefix;
    await run((known) => nextFloor(known, step, workloads, deepFloor));
  }
  // A splat that the base shows once in many trials is no patch's: where prefixes were listened to, the base is, too.
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
