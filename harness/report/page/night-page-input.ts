import type { SeenSplat } from '../../records/finding.ts';
import type { CellClass, NightItem, NightRecord } from '../../records/night.ts';

/** The facts from which the page of a night is made. */
export interface NightPageInput {
  readonly night: NightRecord;
  /** This night and the nights before. Null when no record of an earlier night is found. */
  readonly past: NightPast | null;
  /**
   * Returns the command that repeats a trial. `run` is the path of a run below the night's folder. For an empty `trial`, the
   * command repeats the whole run.
   */
  readonly reproduce: (run: string, trial: string) => string;
  /** Returns the command that runs the cell with this id again. */
  readonly cellCommand: (cell: string) => string;
  /** The reports of the night's splats. reportKey() makes the keys. */
  readonly reports: ReadonlyMap<string, NightReport>;
  /** The URL of the page over all nights, relative to this page. Null when there is no such page. */
  readonly index: string | null;
}

/** A splat, as one of the night's runs recorded it. */
export interface NightReport {
  /** The path of the run directory below the night's folder. */
  readonly run: string;
  readonly trial: string;
  readonly splat: SeenSplat;
  /** The URL, below the night's folder, of the line of a console at which the splat begins. Null when this line is on no page. */
  readonly console: string | null;
  /** The picture of the virtual screen, as PNG. Null when there is no picture. */
  readonly picture: Uint8Array | null;
}

type Named = Pick<NightItem, 'cell' | 'signature' | 'title'>;

/**
 * Returns the key of a splat in a cell: the cell's id with the splat's signature, or with the title of a splat without a signature.
 */
export function reportKey({ cell, signature = '', title = '' }: Named): string {
  return `${cell}\n${signature || title}`;
}

/**
 * Returns how often this night and earlier nights saw the splat of an item, the oldest night first. Returns undefined when no
 * earlier night is known.
 */
export function pastOfIssue({ past }: NightPageInput, item: Named): IssuePast | undefined {
  const name = item.signature || item.title;
  return past?.issues.find(({ cell, signature }) => cell === item.cell && signature === name);
}

/** Returns the URL of a file below the night's folder. Each part is encoded, because a part may come from a stranger. */
export function nightLink(...parts: readonly string[]): string {
  return parts
    .join('/')
    .split('/')
    .map((part) => encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, '?')))
    .join('/');
}

/** The results of this night and of the nights before, the oldest first. */
export interface NightPast {
  readonly cells: readonly {
    readonly cell: string;
    readonly nights: readonly {
      readonly night: string;
      readonly class: CellClass;
      readonly trials: number;
      /** The time that all trials of the cell took in this night, in milliseconds. */
      readonly totalMs: number;
      readonly firstSplatMs: number | null;
    }[];
  }[];
  readonly issues: readonly IssuePast[];
}

/** How often this night and earlier nights saw a splat of one cell, the oldest night first. */
export interface IssuePast {
  readonly cell: string;
  /** The splat's signature, or its title when it has no signature. */
  readonly signature: string;
  /** For each night: how many trials showed the splat (`hits`), and how many trials the cell had (`trials`). */
  readonly nights: readonly {
    readonly night: string;
    readonly hits: number;
    readonly trials: number;
  }[];
}
