import { chanceOfLuck, type Shows, sameRateChance } from './statistics.ts';

/** The counts of an issue in one night: the trials that could have shown it, and those that did. */
export interface IssueNight extends Shows {
  readonly night: string;
}

/** A splat of a cell, with its past in earlier nights. */
export interface IssuePast {
  /** The splat's signature, or its title when it has no report. */
  readonly key: string;
  readonly title: string;
  readonly state: 'open' | 'gone';
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** The night from which its rate is counted: in that night the issue was first seen, came back, or began its present rate. */
  readonly since: string;
  /** The nights since then, oldest first. */
  readonly nights: readonly IssueNight[];
}

/** The judgement on an issue in one night. `seen` and `silent` are no news. */
export type IssueJudgement =
  | { readonly class: 'new' | 'back' | 'seen' | 'silent' }
  /** `sure` is the probability that the silence is not chance. */
  | { readonly class: 'gone'; readonly sure: number; readonly before: Shows }
  | {
      readonly class: 'rateChanged';
      readonly sure: number;
      readonly before: Shows;
      readonly now: Shows;
      /** The first of the nights with the new rate. */
      readonly since: string;
    };

/**
 * The allowed probability of an error in one night, over all its cells together: one false `gone` in 500 nights, and one false
 * `rateChanged` in 500. An issue that was falsely called `gone` comes back, and makes a night fail.
 */
const allowedErrors = { gone: 0.002, rateChanged: 0.002 } as const;

/** The numbers of latest nights that are compared with the nights before them. Each number needs a test of its own. */
const windows = [3, 10] as const;

/**
 * Judges an issue of a cell. `past` is undefined for a splat that the cell never showed before. `tests` is the number of tests
 * that the night makes, because an error in any of them counts (Bonferroni). Each night has its own allowance for errors.
 */
export function judgeIssue(
  past: IssuePast | undefined,
  tonight: IssueNight,
  tests: number,
): IssueJudgement {
  if (past === undefined) return { class: 'new' };
  if (past.state === 'gone') return { class: tonight.hits > 0 ? 'back' : 'silent' };
  const nights = [...past.nights, tonight];
  if (tonight.hits === 0) {
    const last = nights.findLastIndex(({ hits }) => hits > 0);
    const before = counted(nights.slice(0, last + 1));
    const silent = sum(nights.slice(last + 1)).trials;
    const luck = chanceOfLuck(before, silent);
    if (before.hits > 0 && luck <= allowedErrors.gone / tests) {
      return { class: 'gone', sure: 1 - luck, before };
    }
  }
  return changeOf(nights, tests) ?? { class: tonight.hits > 0 ? 'seen' : 'silent' };
}

function changeOf(nights: readonly IssueNight[], tests: number): IssueJudgement | undefined {
  for (const window of windows) {
    const before = counted(nights.slice(0, -window));
    const recent = nights.slice(-window);
    const now = sum(recent);
    // A rate that became silence is judged separately.
    if (before.trials === 0 || now.hits === 0) continue;
    const chance = sameRateChance(before, now);
    const allowed = allowedErrors.rateChanged / windows.length / tests;
    const [first] = recent;
    if (chance <= allowed && first !== undefined) {
      return { class: 'rateChanged', sure: 1 - chance, before, now, since: first.night };
    }
  }
  return undefined;
}

/**
 * The hits and trials of `nights`. When there are two hits or more, one hit and its trial are left out, because counting began
 * only with that hit. A single hit is kept.
 */
function counted(nights: readonly IssueNight[]): Shows {
  const { hits, trials } = sum(nights);
  return hits <= 1 ? { hits, trials } : { hits: hits - 1, trials: trials - 1 };
}

/** The sum of the counts of several nights. */
function sum(nights: readonly Shows[]): Shows {
  return {
    hits: nights.reduce((all, { hits }) => all + hits, 0),
    trials: nights.reduce((all, { trials }) => all + trials, 0),
  };
}
