import { HarnessError } from '../../errors.ts';

/**
 * The commits of a bisection as a graph. Index 0 is the old end of the range, and the last index is the new end. A parent has a
 * smaller index than its child. In a bisection of patches or config lines, each patch or line takes the place of a commit, and its
 * parent is the patch or line before.
 */
export interface History {
  readonly ids: readonly string[];
  /**
   * Commits that stand for others that --path left out. These commits are less probable from the start, and are never named as
   * the culprit.
   */
  readonly outside: ReadonlySet<number>;
  /** The parents of each commit, by index. A commit that forked off before the old end has the old end as its parent. */
  readonly parents: readonly (readonly number[])[];
  /**
   * True when `ancestor` is `commit` itself or an ancestor of `commit`. The index `ids.length` stands for "no commit", and gives
   * false.
   */
  readonly contains: (commit: number, ancestor: number) => boolean;
}

/**
 * The most commits that a bisection can have, including the old end. The matrix of ancestors takes size²/8 bytes: 128 MiB for this
 * many commits. A merge window has fewer commits.
 */
const mostCommits = 32_768;

/** A commit with the ids of its parents. A parent that is not in the list of commits is the old end, or older. */
export interface CommitParents {
  readonly id: string;
  readonly parents: readonly string[];
}

/**
 * Makes the graph of a range from its commits, which list parents before children. `oldEnd` comes before all commits, and the last
 * commit is the new end. Throws `usage` for an empty list, and for more than 32,767 commits.
 */
export function buildHistory(
  oldEnd: string,
  commits: readonly CommitParents[],
  outside: ReadonlySet<string> = new Set(),
): History {
  const size = commits.length + 1;
  if (size < 2) throw new HarnessError('usage', 'no commit lies between the two ends');
  if (size > mostCommits) {
    const next = 'narrow the ends, or use --first-parent or --path';
    throw new HarnessError(
      'usage',
      `${size - 1} commits lie between the ends, and splat bisects at most ${mostCommits - 1}: ${next}`,
    );
  }
  const indices = new Map([[oldEnd, 0]]);
  commits.forEach(({ id }, at) => indices.set(id, at + 1));
  const parents = [
    [],
    ...commits.map((commit) => {
      const inside = commit.parents.flatMap((id) => indices.get(id) ?? []);
      return inside.length > 0 ? inside : [0];
    }),
  ];
  const rows = ancestorRows(parents);
  return {
    ids: [oldEnd, ...commits.map(({ id }) => id)],
    outside: new Set([...outside].flatMap((id) => indices.get(id) ?? [])),
    parents,
    contains: (commit, ancestor) =>
      (((rows[commit]?.[ancestor >>> 5] ?? 0) >>> (ancestor & 31)) & 1) === 1,
  };
}

/**
 * Returns a bit matrix: bit A in the row of commit B is set when A is B or an ancestor of B. The row of a commit is the union of
 * its parents' rows and the commit itself.
 */
function ancestorRows(parents: readonly (readonly number[])[]): readonly Uint32Array[] {
  const words = Math.ceil((parents.length + 1) / 32);
  const rows: Uint32Array[] = [];
  parents.forEach((above, commit) => {
    const row = new Uint32Array(words);
    for (const parent of above) {
      rows[parent]?.forEach((word, at) => {
        row[at] = (row[at] ?? 0) | word;
      });
    }
    const own = commit >>> 5;
    row[own] = (row[own] ?? 0) | (1 << (commit & 31));
    rows.push(row);
  });
  return rows;
}
