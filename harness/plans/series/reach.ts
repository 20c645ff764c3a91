import type { PatchChanges } from '../../patch/patch-changes.ts';
import type { WatchedFunction } from './coverage.ts';
import type { SeriesLog } from './facts.ts';

/** What is asked of a workload on a prefix. */
export interface ReachRequest {
  readonly log: SeriesLog;
  readonly step: number;
  readonly workload: string;
  /** Of the patches that the prefix has; undefined for one that does not apply. */
  readonly changes: readonly (PatchChanges | undefined)[];
  /** Functions of the whole series that can be worth counting. */
  readonly watched: readonly WatchedFunction[];
}

/**
 * False when every function that a prefix changes is counted, itself or through a caller, and none was called in the trials
 * of this workload: then nothing the patches bring can show in it. True when that cannot be told, as for a macro, a
 * structure, an option, or a function that ftrace cannot see.
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
