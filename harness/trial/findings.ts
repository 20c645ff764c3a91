import type { Finding, SeenSplat, SplatCount } from '../records/finding.ts';

/**
 * Collects findings (splats and events of a console). A finding that a kernel prints a thousand times is stored only once,
 * with its count.
 */
export interface FindingTally {
  readonly add: (finding: Finding) => void;
  /**
   * Returns the findings in the order in which their reports began on the console, not in the order in which the reports ended.
   * Findings that the console does not show come last.
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
 * True for a splat that can decide a verdict. Two kinds of splats cannot: a suppressed complaint is about a test program, not
 * about the kernel; and lockdep's message that it ran out of room means that lockdep is off, for which the verdict is `blind`.
 */
export function isSplat(finding: Pick<Finding, 'kind' | 'suppressed' | 'title'>): boolean {
  return finding.kind === 'splat' && !finding.suppressed && !outOfRoom.test(finding.title);
}

/** Returns the splats among the findings, each once, with its count. */
export function countSplats(findings: readonly Finding[]): readonly SplatCount[] {
  const tally = startTally();
  for (const finding of findings) if (isSplat(finding)) tally.add(finding);
  return tally.all();
}

/**
 * Returns the titles of the splats that decide a verdict. Leaves out known splats, except those in `expected`: the titles that
 * the trial's seeded bug must print.
 */
export function decisiveTitles(
  splats: readonly SeenSplat[],
  expected: readonly string[],
): readonly string[] {
  return splats
    .filter(({ title, known }) => known !== true || expected.includes(title))
    .map(({ title }) => title);
}
