/** Counts of trials: how many there were (`trials`), and how many of them showed a splat (`hits`). */
export interface Shows {
  readonly hits: number;
  readonly trials: number;
}

const logFactorials: number[] = [0];

function logFactorial(n: number): number {
  for (let at = logFactorials.length; at <= n; at++) {
    logFactorials.push((logFactorials[at - 1] ?? 0) + Math.log(at));
  }
  return logFactorials[n] ?? 0;
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/**
 * Returns the probability that `silent` further trials show nothing although nothing has changed: the chance that all hits are
 * among the earlier trials, if all trials were in random order (Fisher's exact test, where the second row has no hits). Returns 1
 * when there was no hit.
 */
export function chanceOfLuck({ hits, trials }: Shows, silent: number): number {
  return Math.exp(logChoose(trials, hits) - logChoose(trials + silent, hits));
}

/**
 * Returns the p-value of the assumption that both counts have the same rate (Fisher's exact test, two-sided by the
 * point probabilities).
 */
export function sameRateChance(before: Shows, now: Shows): number {
  const hits = before.hits + now.hits;
  const trials = before.trials + now.trials;
  const chance = (one: number): number =>
    Math.exp(
      logChoose(before.trials, hits - one) + logChoose(now.trials, one) - logChoose(trials, hits),
    );
  const seen = chance(now.hits);
  let sum = 0;
  const least = Math.max(0, hits - before.trials);
  for (let one = least; one <= Math.min(now.trials, hits); one++) {
    const each = chance(one);
    // With the tolerance, probabilities that only rounding makes different count as equal.
    if (each <= seen * (1 + 1e-9)) sum += each;
  }
  return Math.min(1, sum);
}

/**
 * Returns the lower and upper end of the interval in which the rate of these counts is with 95 % confidence (Clopper and Pearson,
 * Biometrika 26, 1934). Returns [0, 1] when there are no trials.
 */
export function rateInterval({ hits, trials }: Shows): [number, number] {
  if (trials === 0) return [0, 1];
  const low = hits === 0 ? 0 : solve((rate) => 1 - atMost(hits - 1, trials, rate));
  const high = hits === trials ? 1 : solve((rate) => 1 - atMost(hits, trials, rate), 0.975);
  return [low, high];
}

/** Returns the probability that `trials` trials with the given rate have at most `hits` hits. */
function atMost(hits: number, trials: number, rate: number): number {
  if (rate <= 0) return 1;
  if (rate >= 1) return hits >= trials ? 1 : 0;
  let sum = 0;
  for (let one = 0; one <= hits; one++) {
    sum += Math.exp(
      logChoose(trials, one) + one * Math.log(rate) + (trials - one) * Math.log1p(-rate),
    );
  }
  return sum;
}

/**
 * Finds, by bisection, the rate from 0 to 1 at which the function `grows` reaches `value`. The function must grow with the rate.
 */
function solve(grows: (rate: number) => number, value = 0.025): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (grows(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Returns the middle value, or the mean of the two middle values. Returns null for an empty list. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? half - 1 : half], sorted[half]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
