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
 * The largest diff against the old end of the range, in bytes, from which a commit is built. A commit with a larger diff is built
 * from a source tree of its own, because such a diff rebuilds the whole kernel anyway.
 */
const largestDiffBytes = 16 * 1024 * 1024;

/**
 * Opens the commits between two ends of a git history, as the range of a bisection. Throws `usage` when an end is no commit, when
 * the old end is not an ancestor of the new end, and when no commit lies between them.
 */
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
    // Commit ids identify the range, because the name of a revision can later mean another commit.
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
 * Builds a commit as a diff against the old end of the range, which compiles only what changed. A commit whose diff is too large or
 * does not apply is built from a source tree of its own. A diff may not apply because of symbolic links, or because of a driver
 * that splat adds.
 */
async function buildCommit(
  id: string,
  /** A git repository with the objects of the commit and of the old end of the range. */
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
