import type { BuildOutcome } from '../../kernel/kernel.ts';
import { type CommitsRequest, openCommits } from './commit-range.ts';
import { type ConfigsRequest, openConfigs } from './config-range.ts';
import type { Candidates } from './git-range.ts';
import type { KernelWork } from './kernel-work.ts';
import { openPatches, type PatchesRequest } from './patch-range.ts';

/** What is bisected: the commits of a git history, the patches of a series, the lines of a configuration. */
export type RangeChoice = CommitsRequest | PatchesRequest | ConfigsRequest;

/** What lies between the good and the bad end, and the kernel of each. */
export interface Range extends Candidates {
  readonly unit: 'commit' | 'patch' | 'line';
  /** What its ids stand for; with the ids it says whether a journal is of this range. */
  readonly identity: unknown;
  /** The kernel of one of them, built or found. */
  readonly build: (id: string) => Promise<BuildOutcome>;
  /** The kernel of the new end without one of them. */
  readonly buildWithout: (id: string) => Promise<BuildOutcome | Conflict>;
  /** What one of them changes in the final .config, against the one before; absent where nobody would ask. */
  readonly configChanges?: (id: string) => Promise<readonly string[]>;
}

/** Later changes stand on the one that was to be taken away. */
export interface Conflict {
  readonly kind: 'conflict';
  /** One line. */
  readonly message: string;
}

/** Reads the range; nothing is built. Throws `usage` for ends that are none. */
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
