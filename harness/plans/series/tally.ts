/** How the trials of one kernel ended that could have shown the splat: `hits` showed it, `misses` did not. */
export interface Tally {
  readonly hits: number;
  readonly misses: number;
}

/** What is known of a splat on one kernel of the series. */
export interface Place {
  /** The trials of each workload that ever showed the splat, in the same order at all places. */
  readonly tallies: readonly Tally[];
  /**
   * The first place whose kernel has the same image, if that is another place. All trials of the image are counted at that place,
   * and none at this place. Absent: no earlier kernel has this image.
   */
  readonly twin?: number;
}
