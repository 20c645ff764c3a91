import {
  type FactFields,
  type FactLog,
  openFactLog,
  type QuestionFact,
} from '../../host/fact-log.ts';
import type { DroppedLines } from '../../kernel/config.ts';
import { type Evidence, learn, nothingKnown, type Outcome } from './evidence.ts';
import type { History } from './history.ts';

/** A fact of a bisection, as a line of journal.jsonl. Commits by id; times in seconds. */
export type Fact =
  | QuestionFact
  /** A trial of the bad end before it was known which workload shows what is looked for. */
  | {
      readonly kind: 'looked';
      readonly commit: string;
      readonly workload: string;
      readonly seconds: number;
    }
  /** What is looked for, and the workload that shows it. */
  | { readonly kind: 'sought'; readonly text: string; readonly workload: string }
  | {
      readonly kind: 'built';
      readonly commit: string;
      /** SHA-256 of the image. */
      readonly image: string;
      /** False when the kernel was in the cache. */
      readonly compiled: boolean;
      /** Lines of the configuration its Kconfig did not keep; absent for none. */
      readonly dropped?: DroppedLines;
      /** The seeded bugs cannot show that its detectors work without them. */
      readonly unproved?: true;
      readonly seconds: number;
    }
  | {
      readonly kind: 'broken';
      readonly commit: string;
      readonly because: string;
      readonly message: string;
      readonly seconds: number;
    }
  | {
      readonly kind: 'trial';
      readonly commit: string;
      readonly workload: string;
      readonly outcome: Outcome;
      /** Titles of splats that were not the one sought. */
      readonly others: readonly string[];
      readonly seconds: number;
    };

export type Journal = FactLog<Fact>;

/** The journal of the bisection in `dir`, begun when there is none; throws as openFactLog(). */
export async function openJournal(dir: string, key: string): Promise<Journal & AsyncDisposable> {
  return openFactLog<Fact>(dir, { key, what: 'bisection', fields });
}

/** The fields that are read of each kind of fact. */
const fields: FactFields<Fact> = {
  question: { key: 'string' },
  looked: { commit: 'string', workload: 'string', seconds: 'number' },
  sought: { text: 'string', workload: 'string' },
  built: { commit: 'string', image: 'string', seconds: 'number' },
  broken: { commit: 'string', because: 'string', message: 'string', seconds: 'number' },
  trial: {
    commit: 'string',
    workload: 'string',
    outcome: 'string',
    others: 'object',
    seconds: 'number',
  },
};

/** What the facts say of the commits; trials of other workloads than `workload` do not count. */
export function evidenceOf(facts: readonly Fact[], { ids }: History, workload: string): Evidence {
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

/** What a build with its boot, and what a trial took so far: medians, which the first cold build does not decide. */
export function costsOf(facts: readonly Fact[]): {
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
  // A kernel of the cache costs next to nothing, but never nothing.
  return found === undefined ? undefined : Math.max(found, 0.1);
}
