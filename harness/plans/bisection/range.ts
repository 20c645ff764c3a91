import type { BuildOutcome } from '../../kernel/kernel.ts';
import { type CommitsRequest, openCommits } from './commit-range.ts';
import { type ConfigsRequest, openConfigs } from './config-range.ts';
import type { Candidates } from './git-range.ts';
import type { KernelWork } from './kernel-work.ts';
import { openPatches, type PatchesRequest } from './patch-range.ts';

/** What a bisection searches: commits of a git history, patches of a series, or lines of a configuration. */
export type RangeChoice = CommitsRequest | PatchesRequest | ConfigsRequest;

/** The candidates of a bisection, from its old end to its new end, and how to build each candidate's kernel. */
export interface Range extends Candidates {
  readonly unit: 'commit' | 'patch' | 'line';
  /**
   * A JSON value that stands for the content behind the ids. The journal of an earlier bisection fits this range when both this
   * value and the ids are equal.
   */
  readonly identity: unknown;
  /** Builds the kernel of a candidate, or takes it from the cache. */
  readonly build: (id: string) => Promise<BuildOutcome>;
  /** Builds the kernel of the new end, without the change that a candidate makes. */
  readonly buildWithout: (id: string) => Promise<BuildOutcome | Conflict>;
  /** Returns the lines of the final .config that a candidate changes. Absent unless the candidates are config lines. */
  readonly configChanges?: (id: string) => Promise<readonly string[]>;
}

/** Says that the candidate cannot be removed, because later changes depend on it. */
export interface Conflict {
  readonly kind: 'conflict';
  /** The reason in one line. */
  readonly message: string;
}

/** Reads the candidates of a bisection and builds nothing. Throws `usage` when an end is invalid. */
export async function openRange(choice: RangeChoice, work: KernelWork): Promise<Range> {
  switch (choice.kind) {
    case 'commits':
      return openCommits(choice, work);
    case 'patches':
      return openPatches(choice, work);
    case 'configs':
      return openConfigs(choice, work);
  }
}
