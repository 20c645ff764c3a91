import type { FactLog } from '../../host/fact-log.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import type { BuildNote, SeriesFact } from '../../records/series-journal.ts';
import { type Evidence, learnStep, learnTrial, nothingKnown } from './evidence.ts';

export type SeriesLog = FactLog<SeriesFact>;

/** Collects what the entries of a series' journal say about its kernels and trials. */
export function evidenceOf({ facts }: Pick<SeriesLog, 'facts'>): Evidence {
  let evidence = nothingKnown;
  for (const fact of facts) {
    if (fact.kind === 'step') evidence = learnStep(evidence, fact.step, fact.state);
    if (fact.kind === 'trial') evidence = learnTrial(evidence, fact.trial);
  }
  return evidence;
}

/**
 * How the kernel with the first `step` patches was built; undefined when it was not built. `facts` must be those of the series
 * alone, or of one branch alone.
 */
export function buildOf({ facts }: Pick<SeriesLog, 'facts'>, step: number): BuildNote | undefined {
  const found = facts.find((fact) => fact.kind === 'step' && fact.step === step);
  return found?.kind === 'step' ? found.build : undefined;
}

/** Converts the outcome of a build to the form in which the journal of a series stores it. */
export function noteBuild({
  kernel,
  checked,
}: Extract<BuildOutcome, { kind: 'built' }>): BuildNote {
  const { id, imageDigest, release, facts, fromCache, store } = kernel;
  const { compiler, sandbox, objects, cpuSeconds, warnings } = facts;
  const image = imageDigest;
  return {
    kernel: id,
    image,
    release,
    compiler,
    sandbox,
    objects,
    cpuSeconds,
    fromCache,
    warnings,
    ...(checked && { checked }),
    ...(store && { store }),
  };
}
