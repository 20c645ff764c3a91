import type { Finding, SeenSplat, SplatCount } from '../records/finding.ts';
import { createScanner } from '../splat/scanner.ts';
import { isSplat, startTally } from './findings.ts';

/** Collects the findings on the console of one guest while the guest runs. A finding is a splat, or an event that is no splat. */
export interface ConsoleFindings {
  readonly push: (bytes: Uint8Array) => void;
  /**
   * The caller says that splat begins (true) or ends (false) to make the kernel print its stacks through SysRq. Events in between
   * are ignored, but a splat counts. A report that is unfinished at the time of a call becomes a finding.
   */
  readonly ask: (isAsked: boolean) => void;
  /**
   * True after a splat that is not known. With `atOnce`, a report that is still unfinished counts as soon as the console falls
   * silent; its text may then be cut short.
   */
  readonly hasSplat: (options: { readonly atOnce: boolean }) => boolean;
  /** Ends the console: an unfinished report becomes a finding. */
  readonly end: () => void;
  /** Adds a finding that is not on the console. */
  readonly add: (finding: Finding) => void;
  /** Returns each different splat once, with its count, in the order of their first appearance. */
  readonly splats: () => readonly SeenSplat[];
  /**
   * Returns the findings that are no splats (findings.ts, isSplat()): each different finding once, with its count, in the order of
   * their first appearance.
   */
  readonly events: () => readonly SplatCount[];
  /**
   * Returns the milliseconds from listen()'s `startedAt` to the first line of the first splat, known or not. Returns null when
   * there was no splat.
   */
  readonly firstSplatMs: () => number | null;
}

/** Which splats on a console are known, and the function that is called for the others. */
export interface FindingListener {
  /** Called for each splat that is not known, also for a repeated splat. */
  readonly onSplat: (finding: Finding) => void;
  /**
   * True for a known splat: the baseline (an earlier run) has it, or this kernel is known to print it. Absent: no splat is known.
   */
  readonly isKnown?: (finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>) => boolean;
}

/**
 * How many milliseconds of silence end a report, when the caller of hasSplat() cannot wait for more lines. A kernel prints a
 * report without pauses, unless the host is busy.
 */
const silenceMs = 1_000;

/** Starts to listen to a console. `startedAt` is a time of performance.now(). */
export function listen(listener: FindingListener, startedAt: number): ConsoleFindings {
  const tally = { splats: startTally(), events: startTally() };
  const isKnown = listener.isKnown ?? (() => false);
  const scanner = createScanner();
  const arrivals: { readonly end: number; readonly ms: number }[] = [];
  let bytesSeen = 0;
  let isAsked = false;
  let firstStart = Number.POSITIVE_INFINITY;
  let firstSplatMs: number | null = null;
  let decided = false;
  const keep = (finding: Finding): boolean => {
    if (!isSplat(finding)) {
      if (!isAsked) tally.events.add(finding);
      return false;
    }
    tally.splats.add(finding);
    if (isKnown(finding)) return true;
    decided = true;
    listener.onSplat(finding);
    return true;
  };
  // A splat's time is the arrival of its first line, because only a later line shows that its report has ended.
  const take = (found: readonly Finding[]): void => {
    for (const finding of found) {
      const { start } = finding.bytes;
      if (!keep(finding) || start >= firstStart) continue;
      firstStart = start;
      const arrived = arrivals.find(({ end }) => end > start);
      firstSplatMs = (arrived?.ms ?? performance.now()) - startedAt;
    }
  };
  return {
    ask: (begins) => {
      take(scanner.end());
      isAsked = begins;
    },
    push: (bytes) => {
      bytesSeen += bytes.length;
      if (firstSplatMs === null) arrivals.push({ end: bytesSeen, ms: performance.now() });
      take(scanner.push(bytes));
    },
    hasSplat: ({ atOnce }) => {
      const last = arrivals.at(-1);
      const isSilent = last !== undefined && performance.now() - last.ms >= silenceMs;
      if (atOnce && isSilent) take(scanner.end());
      return decided;
    },
    end: () => take(scanner.end()),
    add: (finding) => {
      if (keep(finding)) firstSplatMs ??= performance.now() - startedAt;
    },
    splats: () => markKnown(tally.splats.all(), isKnown),
    events: tally.events.all,
    firstSplatMs: () => firstSplatMs,
  };
}

/** Returns the same splats; known splats get `known: true`. */
export function markKnown(
  splats: readonly SplatCount[],
  isKnown: NonNullable<FindingListener['isKnown']>,
): readonly SeenSplat[] {
  return splats.map((splat) => (isKnown(splat) ? { ...splat, known: true } : splat));
}
