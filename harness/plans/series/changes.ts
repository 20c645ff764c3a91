import { isCertain, type Located } from './decide.ts';

export interface JudgedSplat {
  readonly title: string;
  readonly signature: string;
  /** The key of the splat, which all sightings that count as this splat have. */
  readonly key: string;
  /** The share of the trials of `workloads`, from 0 to 1, in which a kernel with the splat shows it. */
  readonly rate: number;
  /** The probability that this patch brought the splat, or for `fixes`, that it cured the splat. */
  readonly confidence: number;
  readonly workloads: readonly string[];
}

interface ChangesRequest {
  /** Each splat that a trial showed. */
  readonly located: readonly Located[];
  readonly confidence: number;
  /** For each kernel that can be tested: the number of the patch that it ends with. */
  readonly steps: readonly number[];
}

/**
 * The splats that the patch at this place brought and cured. `doubts` has a line for each splat that the patch perhaps
 * brought or cured.
 */
export function findChanges(
  place: number,
  { located, confidence, steps }: ChangesRequest,
): {
  readonly came: readonly JudgedSplat[];
  readonly went: readonly JudgedSplat[];
  readonly doubts: readonly string[];
} {
  const came: JudgedSplat[] = [];
  const went: JudgedSplat[] = [];
  const doubts: string[] = [];
  for (const one of located) {
    for (const [chances, list, verb] of [
      [one.presence.came, came, 'brings'],
      [one.presence.went, went, 'cures'],
    ] as const) {
      const chance = chances[place] ?? 0;
      const among = candidates(chances, confidence);
      if (chance >= confidence) list.push(toSplat(one, chance));
      else if (among.includes(place)) {
        const line = `${verb} "${one.suspect.title}" with a chance of ${percent(chance)}`;
        const others = among.map((at) => steps[at] ?? at);
        doubts.push(among.length === 1 ? line : `${line} (${oneOf(others)} does)`);
      }
    }
  }
  return { came, went, doubts };
}

/**
 * The places whose patch perhaps brought (or cured) a splat, while it is not certain which patch did. The most probable places are
 * taken until hardly any probability is left for the others. Empty when one patch certainly did, or certainly no patch.
 */
function candidates(chances: readonly number[], confidence: number): readonly number[] {
  if (isCertain(chances, confidence)) return [];
  let rest = chances.reduce((sum, chance) => sum + chance, 0);
  const found: number[] = [];
  for (const [place, chance] of [...chances.entries()].toSorted(([, a], [, b]) => b - a)) {
    if (rest <= 1 - confidence) break;
    found.push(place);
    rest -= chance;
  }
  return found.toSorted((a, b) => a - b);
}

/** `patch 3 or 5`; `one of patches 30 to 80` when there are many. */
function oneOf(indices: readonly number[]): string {
  if (indices.length <= mostNamed) return patchList(indices);
  return `one of patches ${indices[0]} to ${indices.at(-1)}`;
}

const mostNamed = 4;

function toSplat({ suspect, presence }: Located, confidence: number): JudgedSplat {
  const { title, signature, key, workloads } = suspect;
  return { title, signature, key, rate: presence.rate, confidence, workloads };
}

function percent(chance: number): string {
  return `${Math.round(chance * 100)} %`;
}

/** `patch 3 or 5` */
export function patchList(indices: readonly number[]): string {
  return `patch ${indices.join(' or ')}`;
}
