import type { SeenSplat } from '../../records/finding.ts';
import type { CellClass, NightItem, NightRecord } from '../../records/night.ts';

/** The facts from which the page of a night is made. */
export interface NightPageInput {
  readonly night: NightRecord;
  /** This night and the nights before; null when the record of no earlier night is found. */
  readonly past: NightPast | null;
  /** Returns the command that repeats a trial of a run below the night's folder, or the whole run for an empty trial. */
  readonly reproduce: (run: string, trial: string) => string;
  /** Returns the command that runs one cell again. */
  readonly cellCommand: (cell: string) => string;
  /** The reports of the night's splats, by reportKey(). */
  readonly reports: ReadonlyMap<string, NightReport>;
  /** The URL of the page over all nights, relative to this page; null when there is none. */
  readonly index: string | null;
}

/** A splat, as one of the night's runs recorded it. */
export interface NightReport {
  /** The path of the run directory below the night's folder. */
  readonly run: string;
  readonly trial: string;
  readonly splat: SeenSplat;
  /**
   * The URL, below the night's folder, of the line at which the splat begins on the trial's console; null when that line has no
   * page.
   */
  readonly console: string | null;
  /** The picture of the virtual screen, as PNG; null when there is none. */
  readonly picture: Uint8Array | null;
}

type Named = Pick<NightItem, 'cell' | 'signature' | 'title'>;

/** The key of a splat in a cell: the cell's id with the splat's signature. A splat without a signature has its title instead. */
export function reportKey({ cell, signature = '', title = '' }: Named): string {
  return `${cell}\n${signature || title}`;
}

/** The counts of a splat in this night and those before, the oldest first; undefined when no earlier night is known. */
export function pastOfIssue({ past }: NightPageInput, item: Named): IssuePast | undefined {
  const name = item.signature || item.title;
  return past?.issues.find(({ cell, signature }) => cell === item.cell && signature === name);
}

/** The URL of a file below the night's folder. Each part is encoded, because it may come from a stranger. */
export function nightLink(...parts: readonly string[]): string {
  return parts
    .join('/')
    .split('/')
    .map((part) => encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, '?')))
    .join('/');
}

/** This night and those before it, the oldest first. */
export interface NightPast {
  readonly cells: readonly {
    readonly cell: string;
    readonly nights: readonly {
      readonly night: string;
      readonly class: CellClass;
      readonly trials: number;
      /** The sum of the durations of the cell's trials in this night. */
      readonly totalMs: number;
      readonly firstSplatMs: number | null;
    }[];
  }[];
  readonly issues: readonly IssuePast[];
}

/** The counts of a splat of one cell in this night and those before, the oldest first. */
export interface IssuePast {
  readonly cell: string;
  /** The signature, or the title of an issue without one. */
  readonly signature: string;
  /** In each night, how many trials showed the issue, and how many trials the cell had. */
  readonly nights: readonly {
    readonly night: string;
    readonly hits: number;
    readonly trials: number;
  }[];
}
