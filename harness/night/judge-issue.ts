import { chanceOfLuck, type Shows, sameRateChance } from './statistics.ts';

/** The counts of a splat in one night: how many trials could have shown the splat (`trials`), and how many did (`hits`). */
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
   * The night from which the rate is counted: the night that first showed the issue, the night in which the issue came back, or the
   * first night with the present rate.
   */
  readonly since: string;
  /** The counts of each night from `since` on, the oldest night first. */
  readonly nights: readonly IssueNight[];
}

/**
 * The judgement on an issue (a splat of a cell) in one night. Two classes are no news: `seen` (an old splat showed again) and
 * `silent` (an old splat did not show).
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
 * The highest probability that a night, with all its cells together, makes an error: 0.002 is one false `gone` in 500 nights, and
 * one false `rateChanged` in 500 nights. An issue that is falsely called `gone` comes back later, which makes a night fail.
 */
const allowedErrors = { gone: 0.002, rateChanged: 0.002 } as const;

/**
 * How many of the latest nights are compared with all nights before them: first 3, then 10. Each comparison is its own test.
 */
const windows = [3, 10] as const;

/**
 * Judges an issue (a splat of a cell) in one night. `past` is undefined for a splat that the cell never showed before. `tests` is
 * the number of tests that the night makes. The allowed error is divided by this number (Bonferroni), because any error counts.
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
 * Returns the hits and trials of these nights. With two hits or more, leaves out the first hit and its trial: the count began with
 * this hit, so it says nothing about the rate. Keeps a single hit.
 */
function counted(nights: readonly IssueNight[]): Shows {
  const { hits, trials } = sum(nights);
  return hits <= 1 ? { hits, trials } : { hits: hits - 1, trials: trials - 1 };
}

function sum(nights: readonly Shows[]): Shows {
  return {
    hits: nights.reduce((all, { hits }) => all + hits, 0),
    trials: nights.reduce((all, { trials }) => all + trials, 0),
  };
}
