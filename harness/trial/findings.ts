import type { Finding, SeenSplat, SplatCount } from '../records/finding.ts';

/**
 * Collects findings (splats and events of a console). A finding that a kernel prints a thousand times takes the memory of one.
 */
export interface FindingTally {
  readonly add: (finding: Finding) => void;
  /**
   * The findings in the order in which they began on the console, which is not the order in which their reports were complete. Those
   * that no console shows come last.
   */
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
      [...bySignature.values()]
        .map(({ first: { evidence: _evidence, ...finding }, count }) => ({ ...finding, count }))
        .toSorted((a, b) => beginOf(a) - beginOf(b)),
  };
}

function beginOf({ line, bytes }: Pick<Finding, 'line' | 'bytes'>): number {
  return line === 0 ? Number.MAX_SAFE_INTEGER : bytes.start;
}

/** The message with which lockdep says that it stops for want of room (kernel/locking/lockdep.c, print_lockdep_off()). */
const outOfRoom = /^BUG: MAX_(?:LOCKDEP_\w+|STACK_TRACE_ENTRIES) too low!$/;

/**
 * True for a finding that decides a verdict. Two kinds do not. A suppressed complaint is about a test program, not about the
 * kernel. Lockdep's message that it ran out of room means that lockdep is off, for which the verdict is `blind`.
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

/**
 * The titles of the splats that decide a verdict. A known splat is left out, unless the trial has a seeded bug (a canary) that
 * must print it.
 */
export function decisiveTitles(
  splats: readonly SeenSplat[],
  expected: readonly string[],
): readonly string[] {
  return splats
    .filter(({ title, known }) => known !== true || expected.includes(title))
    .map(({ title }) => title);
}
