import { type FactLog, openFactLog } from '../../host/fact-log.ts';
import { type BisectFact, bisectFactSchema } from '../../records/bisect-journal.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { type Evidence, learn, nothingKnown } from './evidence.ts';
import type { History } from './history.ts';

export type Journal = FactLog<BisectFact>;

/** Opens the journal of the bisection in `dir`, or creates a journal. Throws the errors of openFactLog(). */
export async function openJournal(dir: string, key: string): Promise<Journal & AsyncDisposable> {
  return openFactLog(dir, {
    key,
    what: 'bisection',
    schema: bisectFactSchema,
    harness: writtenBy(),
  });
}

/** Collects what the facts of a journal say about each commit. Trials of workloads other than `workload` do not count. */
export function evidenceOf(
  facts: readonly BisectFact[],
  { ids }: History,
  workload: string,
): Evidence {
  const indices = new Map(ids.map((id, at) => [id, at]));
  let evidence = nothingKnown;
  for (const fact of facts) {
    const commit = 'commit' in fact ? indices.get(fact.commit) : undefined;
    if (commit === undefined) continue;
    if (fact.kind === 'built')
      evidence = learn(evidence, { kind: 'built', commit, image: fact.image });
    if (fact.kind === 'broken') evidence = learn(evidence, { kind: 'broken', commit });
    if (fact.kind === 'trial' && fact.workload === workload) {
      evidence = learn(evidence, { kind: 'trial', commit, outcome: fact.outcome });
    }
  }
  return evidence;
}

/**
 * Returns the cost of a build and of a trial in this bisection, in seconds: the median time of a build with its boot (60 before the
 * first build), and the median time of a trial (3 before the first trial). Both are at least 0.1. A median keeps the first, cold
 * build from dominating.
 */
export function costsOf(facts: readonly BisectFact[]): {
  readonly setupSeconds: number;
  readonly trialSeconds: number;
} {
  const seconds = (kind: 'built' | 'trial'): readonly number[] =>
    facts.flatMap((fact) => (fact.kind === kind ? [fact.seconds] : []));
  return {
    setupSeconds: median(seconds('built')) ?? 60,
    trialSeconds: median(seconds('trial')) ?? 3,
  };
}

function median(values: readonly number[]): number | undefined {
  const found = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  // A build that the cache answers takes almost no time, but its cost must not be zero.
  return found === undefined ? undefined : Math.max(found, 0.1);
}
