import type { RunResult } from '../../records/run-result.ts';

/** The facts from which the page of a run is made. */
export interface RunPageInput {
  readonly run: RunResult;
  /** The name of the run directory. */
  readonly name: string;
  /** The start of the run: ISO 8601, UTC. */
  readonly startedAt: string;
  /** The series that were applied, as the user named them. */
  readonly series: readonly string[];
  /** The command that repeats the run. Null for a replay of single trials, which no such command could repeat. */
  readonly command: string | null;
  /** The folder in which the command was typed. Relative paths in the command start from this folder. */
  readonly cwd: string;
  /** Returns the command that repeats one trial, or the whole run for an empty id. */
  readonly reproduce: (trial: string) => string;
  /** Pictures of the virtual screen, as PNG, by the id of the trial. */
  readonly pictures: ReadonlyMap<string, Uint8Array>;
  /** The folders of each trial below `trials`. The first folder belongs to the try that decided the trial's verdict. */
  readonly folders: ReadonlyMap<string, readonly string[]>;
  /** The drawing by drawLocks(). Null when there is no drawing. */
  readonly locksSvg: string | null;
  /** The number of lines of each console that has pages, by its folder below `trials`. */
  readonly consoles: ReadonlyMap<string, number>;
  /** The facts in the history of nights about the run's splats, by signature. `firstSeen` and `lastSeen` are names of nights. */
  readonly seen: ReadonlyMap<
    string,
    { readonly firstSeen: string; readonly lastSeen: string; readonly cell: string }
  >;
  /** True when the page is in the run directory, so that it can link to the run's files. */
  readonly beside: boolean;
}
