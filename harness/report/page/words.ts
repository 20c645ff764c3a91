import type { Verdict } from '../../verdict.ts';
import { html, type Markup } from './markup.ts';

/** A zero is what makes a trial unexercised. */
export function missing(count: number, words: Markup): Markup {
  return count > 0 ? words : html`<b class="doubtful">${words}</b>`;
}

/** A class of the stylesheet. */
export function tone(verdict: Verdict): string {
  return verdict.kind === 'clean' || verdict.kind === 'splat' ? verdict.kind : 'doubtful';
}
