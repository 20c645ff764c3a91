import type { Moment } from './bisect.ts';
import { countsOf } from './evidence.ts';

/** Commits that are shown with their probability. */
const shown = 5;
/** A list of equals says nothing. */
const leastShown = 0.04;

/** The state of a search in a few lines: what is done next, who is suspected, how much is left. */
export function describeMoment(moment: Moment): readonly string[] {
  const { decision, question, evidence, posterior, subjects } = moment;
  if (decision.kind !== 'test' || posterior === undefined) return [];
  const name = (commit: number): string => (question.history.ids[commit] ?? '').slice(0, 12);
  const { hits, misses } = countsOf(evidence, decision.commit);
  const seen = hits + misses === 0 ? '' : `, shown in ${hits} of ${hits + misses} so far`;
  const why = { end: 'proving an end', search: 'searching', verify: 'verifying' }[decision.why];
  const next = `${why}: ${name(decision.commit)}, up to ${decision.runs} trials${seen}`;
  if (decision.why === 'end') return [next];
  const suspects = [...posterior.mass.entries()]
    .slice(1, -1)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, shown)
    .filter(([, share]) => share > leastShown);
  return [
    `${whatIsLeft(moment)}; ${next}`,
    ...suspects.map(([commit, share]) => {
      const subject = subjects.get(question.history.ids[commit] ?? '') ?? '';
      return `  ${(share * 100).toFixed(1).padStart(5)} %  ${name(commit)} ${subject}`;
    }),
  ];
}

/** The entropy of the posterior says how many halvings are left; each costs a build, a boot and some trials. */
function whatIsLeft({ posterior, costs }: Moment): string {
  const shares = [...(posterior?.mass ?? [])].filter((share) => share > 0);
  const bits = shares.reduce((sum, share) => sum - share * Math.log2(share), 0);
  const steps = Math.max(1, Math.round(bits));
  const minutes = (steps * (costs.setupSeconds + 5 * costs.trialSeconds)) / 60;
  const live = shares.filter((share) => share > 1e-4).length;
  return `${live} candidates, about ${steps} steps and ${Math.ceil(minutes)} minutes left`;
}
