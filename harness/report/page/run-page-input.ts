import type { RunResult } from '../../records/run-result.ts';

/** What the page of a run is made of. */
export interface RunPageInput {
  readonly run: RunResult;
  /** The run directory's name. */
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** The series that were applied, as they were asked for. */
  readonly series: readonly string[];
  /** The command that asks for the same; null for a part of another run. */
  readonly command: string | null;
  /** The command that runs one trial again, or the whole run for an empty id. */
  readonly reproduce: (trial: string) => string;
  /** PNGs of the virtual screen by trial. */
  readonly pictures: ReadonlyMap<string, Uint8Array>;
  /** Folders of each trial in `trials`, that of its verdict first. */
  readonly folders: ReadonlyMap<string, readonly string[]>;
  /** What drawLocks() drew. */
  readonly locksSvg: string | null;
  /** Lines of each console that has pages, by its folder in `trials`. */
  readonly consoles: ReadonlyMap<string, number>;
  /** What nights know of its splats, by signature; nights by name. */
  readonly seen: ReadonlyMap<
    string,
    { readonly firstSeen: string; readonly lastSeen: string; readonly cell: string }
  >;
  /** The page is in the run directory: its files can be linked to. */
  readonly beside: boolean;
}
