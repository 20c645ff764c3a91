import type { Finding, SeenSplat, SplatCount } from '../records/finding.ts';

/** Collects findings. A splat that a kernel prints a thousand times takes the memory of one. */
export interface FindingTally {
  readonly add: (finding: Finding) => void;
  /** The findings in the order of their first appearance. */
  readonly all: () => readonly SplatCount[];
}

export function startTally(): FindingTally {
  const bySignature = new Map<string, { readonly first: Finding; count: number }>();
  return {
    add: (finding) => {
      const known = bySignature.get(`${finding.title}\n${finding.signature}`);
      if (known === undefined)
        bySignature.set(`${finding.title}\n${finding.signature}`, { first: finding, count: 1 });
      else known.count += 1;
    },
    all: () =>
      [...bySignature.values()].map(({ first: { evidence: _evidence, ...finding }, count }) => ({
        ...finding,
        count,
      })),
  };
}

/** The message with which lockdep says that it stops for want of room (kernel/locking/lockdep.c, print_lockdep_off()). */
const outOfRoom = /^BUG: MAX_(?:LOCKDEP_\w+|STACK_TRACE_ENTRIES) too low!$/;

/**
 * True for a finding that decides a verdict. A suppressed complaint does not, because it is about a test program, not about the
 * kernel. Neither does lockdep's message that it ran out of room: the ledger sees that lockdep is off, and the verdict is
 * `blind`.
 */
export function isSplat(finding: Pick<Finding, 'kind' | 'suppressed' | 'title'>): boolean {
  return finding.kind === 'splat' && !finding.suppressed && !outOfRoom.test(finding.title);
}

/** The splats among the findings, each once, with its count. */
export function countSplats(findings: readonly Finding[]): readonly SplatCount[] {
  const tally = startTally();
  for (const finding of findings) if (isSplat(finding)) tally.add(finding);
  return tally.all();
}

/** The titles that decide a verdict. Known splats are left out, except those that the trial, a canary, must print. */
export function decisiveTitles(
  splats: readonly SeenSplat[],
  expected: readonly string[],
): readonly string[] {
  return splats
    .filter(({ title, known }) => known !== true || expected.includes(title))
    .map(({ title }) => title);
}
