import type { FactFields, FactLog, QuestionFact } from '../../host/fact-log.ts';
import type { Diagnostic } from '../../kernel/build-log.ts';
import {
  type Evidence,
  learnStep,
  learnTrial,
  nothingKnown,
  type StepState,
  type Trial,
} from './evidence.ts';

/** A kernel of the series, as it was built. */
export interface BuildNote {
  /** The key of the kernel in the store. */
  readonly kernel: string;
  /** SHA-256 of the image. */
  readonly image: string;
  readonly release: string;
  readonly compiler: string;
  readonly sandbox: string;
  /** Objects compiled and what that took; of a kernel that was in the store, when it was made. */
  readonly objects: number;
  readonly cpuSeconds: number;
  readonly fromCache: boolean;
  readonly warnings: readonly Diagnostic[];
}

/** A fact of a series, as a line of journal.jsonl. */
export type SeriesFact =
  | {
      readonly kind: 'step';
      /** How many patches it has. */
      readonly step: number;
      readonly state: StepState;
      /** Absent when there is no kernel: it does not build, or nothing of it is built. */
      readonly build?: BuildNote;
      readonly seconds: number;
      /** Functions of the series whose calls this kernel can count; absent: it was not booted. */
      readonly profiled?: readonly string[];
      /** Of a branch (branch.ts); absent for the series itself. */
      readonly branch?: string;
    }
  | {
      readonly kind: 'trial';
      readonly trial: Trial;
      /** Its folder, below that of the series. */
      readonly folder: string;
      /** Calls of functions of the series, those that were made. */
      readonly calls?: Readonly<Record<string, number>>;
      readonly seconds: number;
      readonly branch?: string;
    }
  /** The first report of a splat in full, with file and line. */
  | {
      readonly kind: 'report';
      readonly key: string;
      readonly step: number;
      readonly workload: string;
      readonly text: readonly string[];
    }
  /** How guests run here. */
  | { readonly kind: 'accel'; readonly accel: string };

export type SeriesLog = FactLog<SeriesFact | QuestionFact>;

export const factFields: FactFields<SeriesFact | QuestionFact> = {
  question: { key: 'string' },
  step: { step: 'number', state: 'object', seconds: 'number' },
  trial: { trial: 'object', folder: 'string', seconds: 'number' },
  report: { key: 'string', step: 'number', workload: 'string', text: 'object' },
  accel: { accel: 'string' },
};

/** What the facts say of the prefixes. */
export function evidenceOf({ facts }: Pick<SeriesLog, 'facts'>): Evidence {
  let evidence = nothingKnown;
  for (const fact of facts) {
    if (fact.kind === 'step') evidence = learnStep(evidence, fact.step, fact.state);
    if (fact.kind === 'trial') evidence = learnTrial(evidence, fact.trial);
  }
  return evidence;
}

/** The kernel of a prefix, as far as one was built. */
export function buildOf({ facts }: Pick<SeriesLog, 'facts'>, step: number): BuildNote | undefined {
  const found = facts.find((fact) => fact.kind === 'step' && fact.step === step);
  return found?.kind === 'step' ? found.build : undefined;
}
