import type { BuildOutcome } from '../../kernel/kernel.ts';
import { type CommitsRequest, openCommits } from './commit-range.ts';
import { type ConfigsRequest, openConfigs } from './config-range.ts';
import type { Candidates } from './git-range.ts';
import type { KernelWork } from './kernel-work.ts';
import { openPatches, type PatchesRequest } from './patch-range.ts';

/** The kinds of range: commits of a git history, patches of a series, or lines of a configuration. */
export type RangeChoice = CommitsRequest | PatchesRequest | ConfigsRequest;

/** The candidates between the good and the bad end, and how to build the kernel of each. */
export interface Range extends Candidates {
  readonly unit: 'commit' | 'patch' | 'line';
  /**
   * JSON that identifies the content behind the ids. A journal belongs to this range when the identity and the ids
   * match.
   */
  readonly identity: unknown;
  /** Builds the kernel of one candidate, or takes it from the store. */
  readonly build: (id: string) => Promise<BuildOutcome>;
  /** Builds the kernel of the range's new end, without the change of one candidate. */
  readonly buildWithout: (id: string) => Promise<BuildOutcome | Conflict>;
  /** The changes that one candidate makes to the final .config; only for a range of configuration lines. */
  readonly configChanges?: (id: string) => Promise<readonly string[]>;
}

/** The candidate cannot be removed, because later changes depend on it. */
export interface Conflict {
  readonly kind: 'conflict';
  /** The reason in one line. */
  readonly message: string;
}

/** Reads the range and builds nothing. Throws `usage` for invalid ends. */
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
