import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../host/disk.ts';
import type { BuildOutcome } from '../../kernel/kernel.ts';
import { buildTestKernel } from '../../kernel/test-kernel.ts';
import { type RangeRequest, readRange, writeDiff } from './git-range.ts';
import { revertCommit } from './git-revert.ts';
import type { KernelWork } from './kernel-work.ts';
import type { Range } from './range.ts';

export interface CommitsRequest extends Omit<RangeRequest, 'signal'> {
  readonly kind: 'commits';
}

/**
 * A commit whose diff against the old end is larger than this is built from a tree of its own. A diff of this size rebuilds the
 * whole kernel anyway.
 */
const largestDiffBytes = 16 * 1024 * 1024;

/** Opens the commits of a git history between two ends as a range. Throws `usage` as readRange() does. */
export async function openCommits(request: CommitsRequest, work: KernelWork): Promise<Range> {
  const { signal } = work;
  const candidates = await readRange({ ...request, signal });
  const { ids } = candidates.history;
  const [oldEnd = ''] = ids;
  const newEnd = ids.at(-1) ?? '';
  const place = { ...work, dir: join(work.dir, 'diffs'), tree: request.tree, oldEnd };
  return {
    ...candidates,
    unit: 'commit',
    // A revision's name moves, its commit id does not.
    identity: [oldEnd, newEnd],
    build: async (id) => buildCommit(id, request.tree, place),
    buildWithout: async (id) => {
      await makeFolder(place.dir);
      const reverted = await revertCommit({ tree: request.tree, culprit: id, onto: newEnd }, place);
      if (reverted.kind === 'conflict') return reverted;
      return buildCommit(reverted.commit, reverted.repository, place);
    },
  };
}

/**
 * Builds a commit as a diff against the old end, which recompiles only the objects that changed. When the diff is too
 * large or does not apply (symbolic links, a driver added by splat), the commit is built from a tree of its own.
 */
async function buildCommit(
  id: string,
  /** A repository that has the objects of the commit and of the old end. */
  repository: string,
  place: KernelWork & { readonly tree: string; readonly oldEnd: string },
): Promise<BuildOutcome> {
  const { tree, oldEnd, signal, series } = place;
  await makeFolder(place.dir);
  const diff = await writeDiff(repository, oldEnd, id, place);
  const isSmall = diff === undefined || (await stat(diff)).size <= largestDiffBytes;
  if (isSmall) {
    const outcome = await buildTestKernel({
      ...place,
      kernel: `${tree}@${oldEnd}`,
      series: [...(diff === undefined ? [] : [diff]), ...series],
    });
    if (outcome.kind === 'built' || outcome.verdict.because !== 'apply') return outcome;
  }
  signal.throwIfAborted();
  return buildTestKernel({ ...place, kernel: `${repository}@${id}` });
}
