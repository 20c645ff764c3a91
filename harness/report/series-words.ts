import type { ReportedSuspect } from '../records/series.ts';

type Suspect = Omit<ReportedSuspect, 'confidence'> & { readonly confidence?: number };

/** `possible deadlock in f  (95 % of trials of hmm; confidence 99.6 %)`. */
export function suspectWords(splat: Suspect): string {
  return `${splat.title}  (${shareWords(splat)})`;
}

/** `95 % of trials of hmm; confidence 99.6 %`. */
export function shareWords({ rate, confidence, workloads }: Suspect): string {
  const sure = confidence === undefined ? '' : `; confidence ${percent(confidence)}`;
  return `${percent(rate)} of trials of ${workloads.join(', ')}${sure}`;
}

/** A share in percent; 100 % only for certainty. */
export function percent(share: number): string {
  if (share > 0.995 && share < 1) return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
  return `${Math.round(share * 100)} %`;
}
