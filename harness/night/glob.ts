/** A piece of a pattern with wildcards: a literal character, any one character, or any text. */
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
 * True when a pattern matches the whole text. In the pattern, `*` matches any text, `?` matches one character, and `\` makes the
 * next character literal. The time is linear in practice, and at most proportional to the product of both lengths.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const pieces = piecesOf(glob);
  const characters = Array.from(text);
  let piece = 0;
  let at = 0;
  // `star` is the place of the last `*` in the pattern, and `from` the place in the text where its match ends. When the rest does
  // not match, the `*` takes one more character.
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

/** Returns how many literal letters and digits a pattern has. A pattern with hardly any matches nearly everything. */
export function literalLetters(glob: string): number {
  return piecesOf(glob).filter(
    (one) => typeof one === 'object' && /[\p{L}\p{N}]/u.test(one.literal),
  ).length;
}

/** Returns a pattern that matches this text and no other. */
export function literalGlob(text: string): string {
  return text.replaceAll(/[*?\\]/g, (character) => `\\${character}`);
}
