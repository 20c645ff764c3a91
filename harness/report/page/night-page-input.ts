import type { SeenSplat } from '../../records/finding.ts';
import type { CellClass, NightItem, NightRecord } from '../../records/night.ts';

/** What the page of a night is made of. */
export interface NightPageInput {
  readonly night: NightRecord;
  /** The nights before; null when nothing is kept of them. */
  readonly past: NightPast | null;
  /** The command that runs a trial of a run below the night's folder again. */
  readonly reproduce: (run: string, trial: string) => string;
  /** The command that runs one cell again. */
  readonly cellCommand: (cell: string) => string;
  /** Reports of its splats, by `reportKey()`. */
  readonly reports: ReadonlyMap<string, NightReport>;
  /** The page over all nights, as seen from this one; null when there is none. */
  readonly index: string | null;
}

/** A splat as one of the night's runs has it. */
export interface NightReport {
  /** The run directory, below the night's folder. */
  readonly run: string;
  readonly trial: string;
  readonly splat: SeenSplat;
  /** Where it begins on the trial's console: a URL below the night's folder. */
  readonly console: string | null;
  /** The virtual screen, as PNG. */
  readonly picture: Uint8Array | null;
}

type Named = Pick<NightItem, 'cell' | 'signature' | 'title'>;

/** What tells a splat of a cell from others: its signature, or its title where it has none. */
export function reportKey({ cell, signature = '', title = '' }: Named): string {
  return `${cell}\n${signature || title}`;
}

/** What is known of a splat's nights. */
export function pastOfIssue({ past }: NightPageInput, item: Named): IssuePast | undefined {
  const name = item.signature || item.title;
  return past?.issues.find(({ cell, signature }) => cell === item.cell && signature === name);
}

/** A URL of a file below the night's folder: each part may be a stranger's. */
export function nightLink(...parts: readonly string[]): string {
  return parts
    .join('/')
    .split('/')
    .map((part) => encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, '?')))
    .join('/');
}

/** The night and those before it, the oldest first. */
export interface NightPast {
  readonly cells: readonly {
    readonly cell: string;
    readonly nights: readonly {
      readonly night: string;
      readonly class: CellClass;
      readonly trials: number;
      /** Of its trials together. */
      readonly totalMs: number;
      readonly firstSplatMs: number | null;
    }[];
  }[];
  readonly issues: readonly IssuePast[];
}

export interface IssuePast {
  readonly cell: string;
  /** Its title, for what has no signature. */
  readonly signature: string;
  /** `trials`: those of the cell. */
  readonly nights: readonly {
    readonly night: string;
    readonly hits: number;
    readonly trials: number;
  }[];
}
