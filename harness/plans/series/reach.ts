import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { WatchedFunction } from './coverage.ts';
import type { SeriesLog } from './facts.ts';

/** The question whether a workload reaches the changes of a prefix. */
export interface ReachRequest {
  readonly log: SeriesLog;
  readonly step: number;
  readonly workload: string;
  /** The changes of each patch of the prefix; undefined for a patch that does not apply. */
  readonly changes: readonly (PatchChanges | undefined)[];
  /** The functions of the whole series whose calls can be counted. */
  readonly watched: readonly WatchedFunction[];
}

/**
 * False when the calls of every function that the prefix changes are counted, directly or through a caller, and no
 * trial of this workload called one: the workload then cannot show an effect of the patches. True also when this cannot
 * be decided, as for a macro, a structure, an option, or a function that ftrace cannot trace.
 */
export function mayReach({ log, step, workload, changes, watched }: ReachRequest): boolean {
  const profiled = new Set(
    log.facts.flatMap((fact) =>
      fact.kind === 'step' && fact.step === step ? (fact.profiled ?? []) : [],
    ),
  );
  const called = new Set(
    log.facts.flatMap((fact) =>
      fact.kind === 'trial' && fact.trial.step === step && fact.trial.workload === workload
        ? Object.keys(fact.calls ?? {})
        : [],
    ),
  );
  return changes.some((change) => {
    if (change === undefined) return true;
    if (change.kind !== 'code') return false;
    if (change.functions.length === 0) return true;
    return change.functions.some(({ name, file, kind }) => {
      const found = watched.find((one) => one.name === name && one.file === file);
      if (kind !== 'function' || found === undefined) return true;
      const through = [name, ...found.callers].find((one) => profiled.has(one));
      return through === undefined || called.has(through);
    });
  });
}
