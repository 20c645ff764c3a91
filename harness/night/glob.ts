/** A piece of a glob: a literal character, any one character, or any text. */
type Piece = { readonly literal: string } | 'one' | 'any';

function piecesOf(glob: string): readonly Piece[] {
  const pieces: Piece[] = [];
  const characters = Array.from(glob);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') {
      if (pieces.at(-1) !== 'any') pieces.push('any');
    } else if (character === '?') pieces.push('one');
    else if (character === '\\') pieces.push({ literal: characters[++at] ?? '\\' });
    else pieces.push({ literal: character });
  }
  return pieces;
}

/**
 * True when the glob matches the whole text: `*` matches any text, `?` one character, and `\` takes the next character literally.
 * The time is linear in practice, and at most proportional to the product of both lengths.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const pieces = piecesOf(glob);
  const characters = Array.from(text);
  let piece = 0;
  let at = 0;
  // The place of the last `*`, and the place from which it takes one more character when the rest does not fit.
  let star = -1;
  let from = 0;
  while (at < characters.length) {
    const wanted = pieces[piece];
    if (wanted === 'any') {
      star = piece++;
      from = at;
    } else if (wanted === 'one' || (wanted !== undefined && wanted.literal === characters[at])) {
      piece++;
      at++;
    } else if (star >= 0) {
      piece = star + 1;
      at = ++from;
    } else return false;
  }
  return pieces.slice(piece).every((one) => one === 'any');
}

/** The number of letters and digits that a glob names literally. A glob with hardly any of them matches everything. */
export function literalLetters(glob: string): number {
  return piecesOf(glob).filter(
    (one) => typeof one === 'object' && /[\p{L}\p{N}]/u.test(one.literal),
  ).length;
}

/** A glob that matches only this text. */
export function literalGlob(text: string): string {
  return text.replaceAll(/[*?\\]/g, (character) => `\\${character}`);
}
