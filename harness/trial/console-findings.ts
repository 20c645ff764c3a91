import type { Finding, SeenSplat, SplatCount } from '../records/finding.ts';
import { createScanner } from '../splat/scanner.ts';
import { isSplat, startTally } from './findings.ts';

/** What was found on a console so far. */
export interface ConsoleFindings {
  readonly push: (bytes: Uint8Array) => void;
  /** While it is muted, what is pushed is printed because somebody asked for it. */
  readonly mute: (isMuted: boolean) => void;
  /** One that is not known. `atOnce`: a report that is open while the console is silent counts; it may be cut short by that. */
  readonly hasSplat: (options: { readonly atOnce: boolean }) => boolean;
  /** The console is over. */
  readonly end: () => void;
  /** Takes what is on no console. */
  readonly add: (finding: Finding) => void;
  readonly splats: () => readonly SeenSplat[];
  readonly events: () => readonly SplatCount[];
  /** Milliseconds from `startedAt` to the first line of the first splat; null without any. */
  readonly firstSplatMs: () => number | null;
}

export interface FindingListener {
  readonly onSplat: (finding: Finding) => void;
  /** True for a splat of the baseline, or one this kernel is known for. */
  readonly isKnown?: (finding: Pick<Finding, 'signature' | 'title' | 'stack' | 'text'>) => boolean;
}

/** A report is printed in one go; a pause as long as this is none of it, on a guest that has the host to itself. */
const silenceMs = 1_000;

/** Listens to a console, with times of performance.now() since `startedAt`. */
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
  // The end of a report shows in what comes after it, which may be long after: the time is that of its beginning.
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
      if (muted) return;
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

/** The same splats, the known ones marked. */
export function markKnown(
  splats: readonly SplatCount[],
  isKnown: NonNullable<FindingListener['isKnown']>,
): readonly SeenSplat[] {
  return splats.map((splat) => (isKnown(splat) ? { ...splat, known: true } : splat));
}
