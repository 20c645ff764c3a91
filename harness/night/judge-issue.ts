import { chanceOfLuck, type Shows, sameRateChance } from './statistics.ts';

/** The counts of a splat in one night: how many trials could have shown it (`trials`), and how many did (`hits`). */
export interface IssueNight extends Shows {
  readonly night: string;
}

/** What earlier nights know about an issue, which is a splat of a cell (one combination of kernel, guest and workload). */
export interface IssuePast {
  /** The splat's signature, or its title when it has no report. */
  readonly key: string;
  readonly title: string;
  readonly state: 'open' | 'gone';
  readonly firstSeen: string;
  readonly lastSeen: string;
  /**
   * The night from which the rate is counted: the issue was first seen in it, came back in it, or has had its present rate since
   * then.
   */
  readonly since: string;
  /** The counts of each night from `since` on, the oldest night first. */
  readonly nights: readonly IssueNight[];
}

/**
 * The judgement on an issue (a splat of a cell) in one night. `seen` (an old splat showed again) and `silent` (it did not show)
 * are no news.
 */
export type IssueJudgement =
  | { readonly class: 'new' | 'back' | 'seen' | 'silent' }
  /** `sure` is the probability that the splat is gone, and not silent by chance. */
  | { readonly class: 'gone'; readonly sure: number; readonly before: Shows }
  | {
      readonly class: 'rateChanged';
      readonly sure: number;
      readonly before: Shows;
      readonly now: Shows;
      /** The first night that has the new rate. */
      readonly since: string;
    };

/**
 * The probability of an error that one night may have, over all its cells together: 0.002 is one false `gone` in 500 nights, and
 * one false `rateChanged` in 500. An issue that is falsely called `gone` comes back later, which makes a night fail.
 */
const allowedErrors = { gone: 0.002, rateChanged: 0.002 } as const;

/**
 * How many of the latest nights are compared with all nights before them: first 3, then 10. Each comparison is a test of its own.
 */
const windows = [3, 10] as const;

/**
 * Judges an issue (a splat of a cell) in one night. `past` is undefined for a splat that the cell never showed before. `tests` is
 * how many tests the night makes; the allowed error is divided by it (Bonferroni), because an error in any of them counts.
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
    // An issue that became silent is judged above.
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
 * The hits and trials of these nights. With two hits or more, one hit and its trial are left out: counting began with this hit,
 * so it says nothing about the rate. A single hit is kept.
 */
function counted(nights: readonly IssueNight[]): Shows {
  const { hits, trials } = sum(nights);
  return hits <= 1 ? { hits, trials } : { hits: hits - 1, trials: trials - 1 };
}

/** The counts of several nights, added up. */
function sum(nights: readonly Shows[]): Shows {
  return {
    hits: nights.reduce((all, { hits }) => all + hits, 0),
    trials: nights.reduce((all, { trials }) => all + trials, 0),
  };
}
