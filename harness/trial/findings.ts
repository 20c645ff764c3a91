import type { Finding, SplatCount } from '../records/finding.ts';

/** Collects findings. A kernel that prints the same splat a thousand times costs the memory of one. */
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

/** lockdep's word that it ends for want of room (kernel/locking/lockdep.c, print_lockdep_off()). */
const outOfRoom = /^BUG: MAX_(?:LOCKDEP_\w+|STACK_TRACE_ENTRIES) too low!$/;

/**
 * True for what decides a verdict. A suppressed complaint is about a test program, not about the kernel; and a lockdep that
 * ran out of room is a dead detector, which the ledger sees: the run was blind.
 */
export function isSplat(finding: Pick<Finding, 'kind' | 'suppressed' | 'title'>): boolean {
  return finding.kind === 'splat' && !finding.suppressed && !outOfRoom.test(finding.title);
}

/** Returns the splats among the findings, each once. */
export function countSplats(findings: readonly Finding[]): readonly SplatCount[] {
  const tally = startTally();
  for (const finding of findings) if (isSplat(finding)) tally.add(finding);
  return tally.all();
}
