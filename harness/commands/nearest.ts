/**
 * Returns `; did you mean W?` for a misspelled word, where W is the nearest known word. Returns an empty string when no word
 * is near.
 */
export function didYouMean(typed: string, known: readonly string[]): string {
  const [best] = known
    .map((word) => ({ word, distance: editDistance(bare(typed), bare(word)) }))
    .toSorted((a, b) => a.distance - b.distance);
  if (best === undefined || best.distance > Math.ceil(bare(best.word).length / 4)) return '';
  return `; did you mean ${best.word}?`;
}

/** The word without leading dashes, shortened and in lower case. */
function bare(word: string): string {
  return word.replace(/^-+/, '').slice(0, 64).toLowerCase();
}

/**
 * The number of letters that must be added, left out, replaced, or swapped with the next letter to turn one word into the other.
 */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = [...Array(b.length + 1).keys()];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(above, j) + 1,
        at(row, j - 1) + 1,
        at(above, j - 1) + (same ? 0 : 1),
        swapped ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, above] = [above, row];
  }
  return at(above, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
