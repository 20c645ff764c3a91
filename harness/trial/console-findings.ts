import type { Finding, SeenSplat, SplatCount } from '../records/finding.ts';
import { createScanner } from '../splat/scanner.ts';
import { isSplat, startTally } from './findings.ts';

/** Collects the findings on one console while the guest runs. */
export interface ConsoleFindings {
  readonly push: (bytes: Uint8Array) => void;
  /**
   * While muted, the bytes pushed are not searched for findings, because splat itself makes the kernel print them; they count for
   * the lines and positions of later findings. A report that was not finished before becomes a finding.
   */
  readonly mute: (isMuted: boolean) => void;
  /**
   * True after a splat that is not known. With `atOnce` an unfinished report counts as soon as the console is silent; the report
   * may then be cut short.
   */
  readonly hasSplat: (options: { readonly atOnce: boolean }) => boolean;
  /** Ends the console: a report that is not finished yet becomes a finding. */
  readonly end: () => void;
  /** Adds a finding that is not on the console. */
  readonly add: (finding: Finding) => void;
  /** Each different splat once, with its count, in the order of their first appearance. */
  readonly splats: () => readonly SeenSplat[];
  /**
   * Each different finding that is no splat (findings.ts, isSplat()), once, with its count, in the order of their first
   * appearance.
   */
  readonly events: () => readonly SplatCount[];
  /**
   * Milliseconds from `startedAt` of listen() to the first line of the first splat, known or not; null when there was no splat.
   */
  readonly firstSplatMs: () => number | null;
}

/** Who is told of splats, and which are known. */
export interface FindingListener {
  /** Called for each splat that is not known, also when it repeats. */
  readonly onSplat: (finding: Finding) => void;
  /** True for a splat of the baseline, and for a splat that this kernel is known to print. Absent: no splat is known. */
  readonly isKnown?: (finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>) => boolean;
}

/**
 * How many milliseconds of silence end a report with `atOnce`. A kernel prints a report without pauses, unless the host is busy.
 */
const silenceMs = 1_000;

/** Starts to listen to a console. `startedAt` is a time of performance.now(). */
export function listen(listener: FindingListener, startedAt: number): ConsoleFindings {
  const tally = { splats: startTally(), events: startTally() };
  const isKnown = listener.isKnown ?? (() => false);
  const scanner = createScanner();
  const arrivals: { readonly end: number; readonly ms: number }[] = [];
  let bytesSeen = 0;
  let muted = false;
  let firstStart = Number.POSITIVE_INFINITY;
  let firstSplatMs: number | null = null;
  let decided = false;
  const keep = (finding: Finding): boolean => {
    if (!isSplat(finding)) {
      tally.events.add(finding);
      return false;
    }
    tally.splats.add(finding);
    if (isKnown(finding)) return true;
    decided = true;
    listener.onSplat(finding);
    return true;
  };
  // Only a later line shows that a report has ended, so the time of a splat is the time at which its first line arrived.
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
    mute: (isMuted) => {
      if (isMuted) take(scanner.end());
      muted = isMuted;
    },
    push: (bytes) => {
      bytesSeen += bytes.length;
      if (muted) {
        take(scanner.skip(bytes));
        return;
      }
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

/** Returns the same splats, the known ones with `known: true`. */
export function markKnown(
  splats: readonly SplatCount[],
  isKnown: NonNullable<FindingListener['isKnown']>,
): readonly SeenSplat[] {
  return splats.map((splat) => (isKnown(splat) ? { ...splat, known: true } : splat));
}
