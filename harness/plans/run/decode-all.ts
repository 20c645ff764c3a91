import type { SeenSplat } from '../../records/finding.ts';
import type { RunResult } from '../../records/run-result.ts';
import type { TrialResult } from '../../records/trial.ts';
import { scanLog } from '../../splat/scanner.ts';
import { markKnown } from '../../trial/console-findings.ts';
import { decodeSplats } from '../../trial/decode.ts';
import { countSplats } from '../../trial/findings.ts';
import { isKnownTo, type KnownSplats } from '../../trial/runner.ts';

/**
 * The splats of all boots and trials, with source lines in their stacks. In a trial, stacks are decoded only when the
 * verdict is `splat`.
 */
export async function decodeAll(
  logs: readonly string[],
  finished: readonly TrialResult[],
  known: KnownSplats,
  { vmlinux, signal }: { readonly vmlinux: string; readonly signal: AbortSignal },
): Promise<Pick<RunResult, 'bootSplats' | 'trials'>> {
  const spoken = countSplats(logs.flatMap((log) => scanLog(log)));
  // The stack of a canary's expected splat is not decoded, because it leads to a seeded bug.
  const seen = finished.flatMap(({ verdict, splats }) => (verdict.kind === 'splat' ? splats : []));
  const reports: readonly SeenSplat[] = [
    ...markKnown(spoken, (splat) => isKnownTo(known, splat)),
    ...seen,
  ];
  const decoded = await decodeSplats(reports, vmlinux, signal);
  const bootSplats = decoded.slice(0, spoken.length);
  const byReport = new Map(reports.map((report, index) => [report, decoded[index]]));
  const trials = finished.map((trial) => ({
    ...trial,
    splats: trial.splats.map((splat) => byReport.get(splat) ?? splat),
  }));
  return { bootSplats, trials };
}
