import { chanceOfSilence } from '../../trial/rate.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { type Posterior, type Question, shownIf } from './posterior.ts';

/** The measured cost of a build and of a trial, in seconds. */
export interface Costs {
  /** The seconds for the build and the boot of a commit that was not built before. */
  readonly setupSeconds: number;
  readonly trialSeconds: number;
}

/** The next trials: at most `runs` trials of one commit. No more trials follow a trial that shows the bug. */
export interface Choice {
  readonly commit: number;
  readonly runs: number;
  /** The information about the culprit that the trials are expected to give, in bits. */
  readonly bits: number;
}

const batchSizes = [1, 2, 3, 5, 8, 12, 18, 27, 40, 60] as const;
const largestBatch = 60;
/**
 * The search considers only this many of the commits that are not built yet: those that split the remaining probability most
 * evenly. Built commits are always considered.
 */
const shortListed = 24;
/**
 * The chance that a commit builds and boots. Broken commits tend to be neighbours, so the chance is lower next to a broken commit.
 */
const buildsUsually = 0.92;
const buildsNextToBroken = 0.4;
/**
 * The share of a new build's seconds that counts as a cost of its first trials. The whole cost would be too much, because later
 * trials use the same build, and because the search needs that build anyway. In the simulation, with a bug that shows in 1 of 2
 * trials, the whole cost took 8 % more trials and saved 4 % of the builds.
 */
const setupShare = 0.2;
/**
 * Choices whose score reaches this share of the highest score count as equal. The search takes the equal choice that splits the
 * suspects most evenly, because an uneven split that saves a trial can cost a build later.
 */
const nearlyBest = 0.95;
/** A commit is a suspect when its probability is at least this share of the highest probability. */
const suspicion = 0.1;
/** A possible culprit with a lower probability than this is ignored. */
const negligible = 1e-7;

/**
 * Chooses the trials that promise the most information about the culprit for each second. Returns undefined when no trial would
 * give any information.
 */
export function chooseTrials(
  question: Question,
  evidence: Evidence,
  posterior: Posterior,
  costs: Costs,
): Choice | undefined {
  const silence = silenceTable(posterior);
  const scored: Scored[] = [];
  for (const split of shortList(question, evidence, posterior)) {
    const built = evidence.images.has(split.commit);
    const chance = built ? 1 : buildChance(question, evidence, split.commit);
    let best: Scored | undefined;
    for (const runs of batchSizes) {
      const { bits, trials } = promise(split, runs, silence);
      const trialSeconds = costs.trialSeconds * trialsForOne(evidence, split.commit);
      const setup = built ? 0 : setupShare * costs.setupSeconds;
      const seconds = setup + chance * trials * trialSeconds;
      const score = (chance * bits) / seconds;
      if (bits > 1e-9 && score > (best?.score ?? 0)) {
        best = { commit: split.commit, runs, bits, score, imbalance: built ? 0 : split.imbalance };
      }
    }
    if (best !== undefined) scored.push(best);
  }
  const highest = scored.reduce((most, { score }) => Math.max(most, score), 0);
  const [choice] = scored
    .filter(({ score }) => score >= highest * nearlyBest)
    .toSorted((a, b) => a.imbalance - b.imbalance || b.score - a.score);
  return choice;
}

interface Scored extends Choice {
  /** The expected information of the trials, in bits per second. */
  readonly score: number;
  readonly imbalance: number;
}

/**
 * Sums over several possible culprits. `mass` is the probability that the culprit is among them. `suspects` is the number of
 * them that are probable. `byMisses` splits `mass` by the number of trials that stayed silent by luck if that culprit is the
 * true culprit.
 */
interface Share {
  readonly byMisses: ReadonlyMap<number, number>;
  readonly mass: number;
  readonly suspects: number;
}

/** A commit and the culprits that would give it the bug. `mass` is the probability that the commit has the bug. */
interface Split extends Omit<Share, 'suspects'> {
  readonly commit: number;
  /** How unevenly the commit splits the suspects, from 0 (two halves) to 0.5 (all on one side). */
  readonly imbalance: number;
}

function shortList(question: Question, evidence: Evidence, posterior: Posterior): readonly Split[] {
  const useful = splitsOf(question, posterior).filter(
    ({ commit, mass }) =>
      !evidence.broken.has(commit) && mass > negligible && mass < 1 - negligible,
  );
  const isBuilt = ({ commit }: Split): boolean => evidence.images.has(commit);
  const fresh = useful
    .filter((split) => !isBuilt(split))
    .toSorted((a, b) => Math.abs(a.mass - 0.5) - Math.abs(b.mass - 0.5));
  return [...useful.filter(isBuilt), ...fresh.slice(0, shortListed)];
}

const nobody: Share = { byMisses: new Map(), mass: 0, suspects: 0 };

/**
 * Returns for each commit the probability that the commit has the bug. A commit contains itself and everything that its parent
 * contains, so its sums follow from the sums of the parent. Only a merge needs a walk over all commits. A merge window of 15,000
 * commits takes a fraction of a second.
 */
function splitsOf({ history, reverse }: Question, posterior: Posterior): readonly Split[] {
  const { mass, misses } = posterior;
  const suspected = mass.reduce((most, share) => Math.max(most, share), 0) * suspicion;
  const add = (before: Share, culprits: readonly number[]): Share => {
    const byMisses = new Map(before.byMisses);
    let { mass: total, suspects } = before;
    for (const culprit of culprits) {
      const share = mass[culprit] ?? 0;
      // A culprit with such a low probability does not decide what to try next.
      if (share <= negligible) continue;
      const missed = misses[culprit] ?? 0;
      byMisses.set(missed, (byMisses.get(missed) ?? 0) + share);
      total += share;
      if (share >= suspected) suspects += 1;
    }
    return { byMisses, mass: total, suspects };
  };
  const everybody = [...mass.keys()];
  const all = add(nobody, everybody);
  const shares: Share[] = [];
  for (const [commit, parents] of history.parents.entries()) {
    const [parent, ...others] = parents;
    const inherited = parent === undefined || others.length > 0 ? undefined : shares[parent];
    shares.push(
      inherited === undefined
        ? add(
            nobody,
            everybody.filter((culprit) => history.contains(commit, culprit)),
          )
        : add(inherited, [commit]),
    );
  }
  return shares.map((share, commit) => {
    const having = reverse ? without(all, share) : share;
    const imbalance = Math.abs(having.suspects / all.suspects - 0.5);
    return { commit, byMisses: having.byMisses, mass: having.mass, imbalance };
  });
}

function without(all: Share, share: Share): Share {
  return {
    byMisses: new Map(
      [...all.byMisses].map(([missed, mass]) => [
        missed,
        // Rounding must not make the difference negative.
        Math.max(0, mass - (share.byMisses.get(missed) ?? 0)),
      ]),
    ),
    mass: all.mass - share.mass,
    suspects: all.suspects - share.suspects,
  };
}

/**
 * The chances of silence, by the number of silent trials so far. `chance[n]` is the chance that n more trials all stay silent, and
 * `sum[n]` is the sum of these chances from 0 to n.
 */
type SilenceTable = ReadonlyMap<
  number,
  { readonly chance: Float64Array; readonly sum: Float64Array }
>;

function silenceTable(posterior: Posterior): SilenceTable {
  const table = new Map<number, { chance: Float64Array; sum: Float64Array }>();
  for (const [culprit, share] of posterior.mass.entries()) {
    const shown = shownIf(posterior, culprit);
    const { misses: missed } = shown;
    if (share <= negligible || table.has(missed)) continue;
    const chance = Float64Array.from({ length: largestBatch + 1 }, (_, runs) =>
      chanceOfSilence(shown, runs),
    );
    let total = 0;
    const sum = chance.map((one) => (total += one));
    table.set(missed, { chance, sum });
  }
  return table;
}

/**
 * Returns what up to `runs` trials of a commit promise: the bits of information about the culprit, and the expected number of
 * trials. The information is the mutual information between the culprit and the event that a trial shows the bug.
 */
function promise(
  { byMisses, mass }: Split,
  runs: number,
  silence: SilenceTable,
): { readonly bits: number; readonly trials: number } {
  let shown = 0;
  let known = 0;
  let trials = Math.max(0, 1 - mass) * runs;
  for (const [missed, share] of byMisses) {
    const row = silence.get(missed);
    const quiet = row?.chance[runs] ?? 1;
    shown += share * (1 - quiet);
    known += share * binaryEntropy(quiet);
    trials += share * (row?.sum[runs - 1] ?? runs);
  }
  return { bits: binaryEntropy(shown) - known, trials };
}

function binaryEntropy(chance: number): number {
  if (chance <= 0 || chance >= 1) return 0;
  return -chance * Math.log2(chance) - (1 - chance) * Math.log2(1 - chance);
}

function buildChance({ history }: Question, { broken }: Evidence, commit: number): number {
  const nearBroken =
    (history.parents[commit] ?? []).some((parent) => broken.has(parent)) ||
    [...broken].some((other) => history.parents[other]?.includes(commit) === true);
  return nearBroken ? buildsNextToBroken : buildsUsually;
}

/**
 * Returns the expected number of trials until a trial of this commit is valid: the trial shows the bug or could have shown it. The
 * number is higher where another bug often comes first. A commit without trials gets the mean over all commits.
 */
function trialsForOne(evidence: Evidence, commit: number): number {
  let [valid, voids] = [0, 0];
  for (const { hits, misses, voids: lost } of evidence.counts.values()) {
    valid += hits + misses;
    voids += lost;
  }
  return (
    1 +
    (countsOf(evidence, commit).voids + voids / (valid + 1)) / (validTrials(evidence, commit) + 1)
  );
}

/** Returns the number of trials of a commit that showed the bug or could have shown it. */
export function validTrials(evidence: Evidence, commit: number): number {
  const { hits, misses } = countsOf(evidence, commit);
  return hits + misses;
}
