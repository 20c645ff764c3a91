import { chanceOfSilence } from '../../trial/rate.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { type Posterior, type Question, shownIf } from './posterior.ts';

/** What trials cost, in seconds, as measured so far. */
export interface Costs {
  /** A build and a boot of a commit that has neither. */
  readonly setupSeconds: number;
  readonly trialSeconds: number;
}

/** Up to `runs` trials of a commit; the first that shows the bug ends them. */
export interface Choice {
  readonly commit: number;
  readonly runs: number;
  /** Expected bits about which commit it is. */
  readonly bits: number;
}

const batchSizes = [1, 2, 3, 5, 8, 12, 18, 27, 40, 60] as const;
const largestBatch = 60;
/** Commits that are looked at in depth: those that split what is left most evenly, beside those that are built. */
const shortListed = 24;
/** Chances that a commit builds and boots; broken commits come in runs. */
const buildsUsually = 0.92;
const buildsNextToBroken = 0.4;
/**
 * A new build is charged to its first trials only in part: later ones come back to it, and the search must go there
 * anyway. Simulated: charged in full, bugs of 1 in 2 take 8 % more trials for 4 % fewer builds.
 */
const setupShare = 0.2;
/**
 * Scores this close to the highest count as equal, and the number of suspects decides: an uneven split that costs a trial
 * less can cost a build more in the end.
 */
const nearlyBest = 0.95;
/** A suspect is at least this much as probable as the most probable commit. */
const suspicion = 0.1;
/** Commits less probable than this are left out of account. */
const negligible = 1e-7;

/** The trials with the most expected information for their seconds; undefined when none would tell anything. */
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
  /** Expected bits per second. */
  readonly score: number;
  readonly imbalance: number;
}

/** How probable some commits are together, by the number of misses that are luck if it is one of them. */
interface Share {
  readonly byMisses: ReadonlyMap<number, number>;
  readonly mass: number;
  readonly suspects: number;
}

/** A commit with how probable it is that it has the bug. */
interface Split extends Omit<Share, 'suspects'> {
  readonly commit: number;
  /** How far it is from halving the number of suspects: 0 to 0.5. */
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
 * The split of every commit. A commit with one parent contains what the parent does and itself; only a merge has to be
 * summed up: a merge window of 15,000 commits is split in a fraction of a second.
 */
function splitsOf({ history, reverse }: Question, posterior: Posterior): readonly Split[] {
  const { mass, misses } = posterior;
  const suspected = mass.reduce((most, share) => Math.max(most, share), 0) * suspicion;
  const add = (before: Share, culprits: readonly number[]): Share => {
    const byMisses = new Map(before.byMisses);
    let { mass: total, suspects } = before;
    for (const culprit of culprits) {
      const share = mass[culprit] ?? 0;
      // Commits less probable than this do not decide what to try next.
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
        // Never below zero by rounding.
        Math.max(0, mass - (share.byMisses.get(missed) ?? 0)),
      ]),
    ),
    mass: all.mass - share.mass,
    suspects: all.suspects - share.suspects,
  };
}

/** By number of misses: the chance that so many more trials all miss, and the sum of those chances. */
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

/** The mutual information, in bits, of "some trial shows it" and "which commit it is", and the expected trials. */
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

/** Trials it takes until one can see the bug: more where another bug often comes first. A fresh commit is like all. */
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

/** Trials of `commit` that showed the bug or could have. */
export function validTrials(evidence: Evidence, commit: number): number {
  const { hits, misses } = countsOf(evidence, commit);
  return hits + misses;
}
