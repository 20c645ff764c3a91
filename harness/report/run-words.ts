import { counted } from '../counted.ts';
import type { SeenSplat } from '../records/finding.ts';
import type { RunResult } from '../records/run-result.ts';
import type { TrialResult } from '../records/trial.ts';
import { isNotRun } from '../verdict.ts';

export interface GatheredSplat {
  readonly splat: SeenSplat;
  /** The boot or the trials that showed the splat, for example "munmap (3 times)". */
  readonly where: readonly string[];
  /** The id of the first trial that showed the splat. An empty string when the boot showed the splat. */
  readonly trial: string;
}

/**
 * Returns the different splats of a run for which `isWanted` returns true. Splats with the same title and signature count as one
 * splat. The splats of a canary (a trial with a seeded bug) are left out, unless the canary's verdict is `splat`.
 */
export function seenSplats(
  run: Pick<RunResult, 'bootSplats' | 'trials'>,
  isWanted: (splat: SeenSplat) => boolean,
): readonly GatheredSplat[] {
  const seen = new Map<string, GatheredSplat & { readonly where: string[] }>();
  const note = (splat: SeenSplat, where: string, trial: string): void => {
    if (!isWanted(splat)) return;
    const times = splat.count > 1 ? `${where} (${splat.count} times)` : where;
    const key = `${splat.title}\n${splat.signature}`;
    const before = seen.get(key);
    if (before === undefined) seen.set(key, { splat, where: [times], trial });
    else before.where.push(times);
  };
  for (const splat of run.bootSplats) note(splat, 'boot', '');
  for (const { id, canary, verdict, splats } of run.trials) {
    if (canary !== undefined && verdict.kind !== 'splat') continue;
    for (const splat of splats) note(splat, id, id);
  }
  return [...seen.values()];
}

/** A trial whose guest was silent twice. Such a silence counts as a splat without a report. */
export interface Silence {
  readonly id: string;
  readonly title: string;
}

/** Returns the splats without a report, from the verdicts of trials: guests that were silent twice. */
export function silencesOf(trials: readonly TrialResult[]): readonly Silence[] {
  return trials.flatMap(({ id, verdict, splats }) =>
    verdict.kind === 'splat'
      ? verdict.titles
          .filter((title) => splats.every((splat) => splat.title !== title))
          .map((title) => ({ id, title }))
      : [],
  );
}

/** Returns milliseconds as seconds: `1.5 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Returns the name of a counter without its group: `oom_kill` for `vm.oom_kill`. */
export function counterWord(name: string): string {
  return name.replace(/^\w+\./, '');
}

/** True for a canary (a trial with a seeded bug) whose splat this kernel is known to miss and missed again. */
function isMissed({ splats, verdict }: Pick<TrialResult, 'splats' | 'verdict'>): boolean {
  return verdict.kind === 'clean' && splats.length === 0;
}

/** Returns the splats of a trial in words: `-`, `2 (1 known)`, `as seeded`. */
export function splatWords({ splats, canary, verdict }: TrialResult): string {
  if (canary !== undefined && verdict.kind === 'clean') {
    return isMissed({ splats, verdict }) ? 'missed, as known' : 'as seeded';
  }
  const known = splats.filter((splat) => splat.known === true).length;
  if (known > 0 && known === splats.length) return `${known} known`;
  return splats.length === 0 ? '-' : `${splats.length}${known > 0 ? ` (${known} known)` : ''}`;
}

/**
 * Words for the rules that this kernel does not check, about which the kernel's silence proves nothing: `; not checked on this
 * kernel: lock order inside hlist callbacks`. An empty string when the kernel checks all rules.
 */
function uncheckedWords(unchecked: readonly string[]): string {
  return unchecked.length === 0 ? '' : `; not checked on this kernel: ${unchecked.join(', ')}`;
}

/** Returns the reason for a run's verdict, in one line. The text is untrusted. */
export function verdictReason({
  verdict,
  trials,
  unchecked = [],
}: Pick<RunResult, 'verdict' | 'trials' | 'unchecked'>): string {
  switch (verdict.kind) {
    case 'untestable':
    case 'inconclusive':
      return verdict.message;
    case 'splat': {
      const [first = ''] = verdict.titles;
      return verdict.titles.length === 1 ? first : `${verdict.titles.length} different splats`;
    }
    case 'clean': {
      const controls = trials.filter(({ canary }) => canary !== undefined);
      // Two canaries can miss one check, so the number of unchecked rules is not the number of missed canaries.
      const caught = controls.filter((trial) => !isMissed(trial)).length;
      const notRun = trials.filter((trial) => isNotRun(trial.verdict)).length;
      const others = trials.length - controls.length - notRun;
      const missing = notRun === 0 ? '' : `, ${notRun} not run`;
      return `${counted(others, 'trial')} without a splat, every witness seen, ${caught} canaries caught${missing}${uncheckedWords(unchecked)}`;
    }
  }
}
