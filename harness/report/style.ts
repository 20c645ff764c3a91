/** Functions that colour text for a terminal, or leave it plain. */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly doubtful: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
}

/** Returns the functions for a terminal. `colour` is false when stdout is not a terminal or NO_COLOR is set (no-color.org). */
export function styleFor(colour: boolean): Style {
  const sgr = (code: number) => (text: string) =>
    colour ? `\u001B[${code}m${text}\u001B[0m` : text;
  return { good: sgr(32), bad: sgr(31), doubtful: sgr(33), strong: sgr(1), faint: sgr(2) };
}
