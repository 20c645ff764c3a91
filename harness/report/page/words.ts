import type { Verdict } from '../../verdict.ts';
import { html, type Markup } from './markup.ts';

/** Marks the words for a witness whose count is zero, which makes a trial unexercised. */
export function missing(count: number, words: Markup): Markup {
  return count > 0 ? words : html`<b class="doubtful">${words}</b>`;
}

/** Returns the stylesheet's class for a verdict: `clean` and `splat` have classes of their own; any other verdict is `doubtful`. */
export function tone(verdict: Verdict): string {
  return verdict.kind === 'clean' || verdict.kind === 'splat' ? verdict.kind : 'doubtful';
}
