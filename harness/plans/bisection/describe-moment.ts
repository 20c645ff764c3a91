import { shortName } from '../../trial/short-name.ts';
import type { Moment } from './bisect.ts';
import { countsOf } from './evidence.ts';
import { estimatedRate } from './posterior.ts';

/** The number of commits that are shown with their probability. */
const shown = 5;
/** A log names no commit with a lower probability, because a list of many equally likely commits would say nothing. */
const leastShown = 0.04;
/**
 * The mean number of trials that halve the candidates is this number divided by the bug's rate. The value comes from a simulation
 * with rates from 1 down to 0.05.
 */
const trialsPerHalving = 3.4;

/**
 * Formats the state of a search as lines of a log: the number of candidates that remain, the next step, and the likely culprits.
 * While the search tries an end of the range, the log has only the next step. Returns an empty list when no trial comes next, or
 * when no commit explains the trials so far.
 */
export function describeMoment(moment: Moment): readonly string[] {
  const { decision, posterior } = moment;
  if (decision.kind !== 'test' || posterior === undefined) return [];
  if (decision.why === 'end') return [whatIsNext(moment)];
  return [`${whatIsLeft(moment)}; ${whatIsNext(moment)}`, ...suspects(moment, leastShown)];
}

/**
 * Formats the state of a search for a terminal, which draws each state over the previous one. Returns an empty list when no trial
 * comes next, or when no commit explains the trials so far.
 */
export function drawMoment(moment: Moment): readonly string[] {
  const { decision, posterior, evidence, costs } = moment;
  if (decision.kind !== 'test' || posterior === undefined) return [];
  const rate = Math.round(estimatedRate(posterior) * 100);
  const { images, broken, trials } = evidence;
  const skipped = broken.size === 0 ? '' : `, ${broken.size} skipped`;
  const seconds = `${costs.setupSeconds.toFixed(0)} s a build, ${costs.trialSeconds.toFixed(1)} s a trial`;
  return [
    whatIsLeft(moment),
    ...suspects(moment, 0),
    `${images.size} built${skipped}, ${trials} trials; shown in ${rate} % of them where it is; ${seconds}`,
    whatIsNext(moment),
  ];
}

function whatIsNext({ decision, question, evidence }: Moment): string {
  if (decision.kind !== 'test') return '';
  const { hits, misses } = countsOf(evidence, decision.commit);
  const seen = hits + misses === 0 ? '' : `, shown in ${hits} of ${hits + misses} so far`;
  const why = { end: 'proving an end', search: 'searching', verify: 'verifying' }[decision.why];
  const name = shortName(question.history.ids[decision.commit] ?? '');
  return `${why}: ${name}, up to ${decision.runs} trials${seen}`;
}

function suspects({ posterior, question, subjects }: Moment, least: number): readonly string[] {
  return [...(posterior?.mass.entries() ?? [])]
    .slice(1, -1)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, shown)
    .filter(([, share]) => share > least)
    .map(([commit, share]) => {
      const id = question.history.ids[commit] ?? '';
      return `  ${(share * 100).toFixed(1).padStart(5)} %  ${shortName(id)} ${subjects.get(id) ?? ''}`;
    });
}

/**
 * Returns how many candidates, steps and minutes remain. Each step halves the candidates and costs a build, a boot and some trials.
 * While the search verifies an answer, no step remains, and the minutes are the time of the verifying trials.
 */
function whatIsLeft({ posterior, costs, decision }: Moment): string {
  const shares = [...(posterior?.mass ?? [])].filter((share) => share > 0);
  const bits = shares.reduce((sum, share) => sum - share * Math.log2(share), 0);
  const verifying = decision.kind === 'test' && decision.why === 'verify' ? decision.runs : 0;
  const steps = verifying > 0 ? 0 : Math.max(1, Math.round(bits));
  const rate = posterior === undefined ? 1 : estimatedRate(posterior);
  const perStep = costs.setupSeconds + (trialsPerHalving / rate) * costs.trialSeconds;
  const minutes = Math.ceil((steps * perStep + verifying * costs.trialSeconds) / 60);
  // The first and the last share are left out, because they stand for an end of the range that the user named wrongly.
  const live = posterior?.mass.slice(1, -1).filter((share) => share > 1e-4).length ?? 0;
  return `${live} candidates, about ${steps} steps and ${minutes} minutes left`;
}
