/**
 * A bisection as `splat bisect --json` prints it. Commits are full ids, patches `patch-3`, lines of a configuration
 * `CONFIG_X`; subjects and titles are other people's text.
 */
export interface BisectReport {
  readonly schema: 'splat-bisect/1';
  /** Null when there is no single one. */
  readonly culprit: string | null;
  /** The smallest set nothing testable can split, when that is more than one commit. */
  readonly candidates: readonly string[];
  /** That the culprit, or one of the candidates, is it: 0 to 1. */
  readonly confidence: number;
  /** Commits that were built or could not be. */
  readonly steps: number;
  /** Kernels that were compiled for it. */
  readonly builds: number;
  readonly trials: number;
  readonly skipped: readonly string[];
  readonly others: readonly { readonly title: string; readonly commits: readonly string[] }[];
  /** Why there is no answer; null when there is one. */
  readonly because: string | null;
  readonly sought: string | null;
  readonly workload: string | null;
  /** How often a trial of a commit that has the bug shows it, as estimated. */
  readonly rate: number | null;
  readonly good: string;
  readonly bad: string;
  readonly reverse: boolean;
  /** What was bisected. */
  readonly unit: 'commit' | 'patch' | 'line';
  /** What the new end does without the culprit, when that was asked (--verify-revert). */
  readonly revert: ReportedRevert | null;
  /** What the culprit changes in the final .config, as `CONFIG_X=y`, when lines of one were bisected. */
  readonly configChanges: readonly string[];
  /** Parents first, from the old end to the new one. */
  readonly commits: readonly ReportedCommit[];
}

export interface ReportedCommit {
  readonly id: string;
  readonly subject: string;
  readonly probability: number;
  /** Null for what was not tested or is in doubt. */
  readonly standing: 'good' | 'bad' | 'skip' | null;
  readonly hits: number;
  readonly misses: number;
  /** When it was first looked at, counted from 1; null for never. */
  readonly step: number | null;
  /** Lines of the configuration that its Kconfig did not keep. */
  readonly dropped: readonly string[];
}

/** `confirmed`: without the culprit the splat does not show any more (with `reverse`: shows again). */
export type ReportedRevert =
  | {
      readonly kind: 'confirmed' | 'refuted';
      readonly hits: number;
      readonly misses: number;
    }
  | { readonly kind: 'conflict' | 'untestable' | 'blind'; readonly message: string };

/** `1a2b3c4d5e6f ("mm: subject")`, as kernel people name a commit; ids of patches and lines are short. */
export function commitPhrase({ id, subject }: Pick<ReportedCommit, 'id' | 'subject'>): string {
  return `${/^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 12) : id} ("${subject}")`;
}
