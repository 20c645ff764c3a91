import { frameWithin } from './frames.ts';
import type { HeaderPlace, HeaderTest } from './header-place.ts';

/** The end of a line behind which a blank was lost: a source line, such as `WARNING: CPU: 1 PID: 12 at mm/slub.c:1234`. */
const afterPlace = /\.(?:[chS]|rs):\d+$/;
/** The second half of a broken header with a function, such as `ize+0x10/0x20 [demo]` or `12 demo_resize+0x10/0x20`. */
const symbolFirst = /^(?:[^\s:]\S{0,80}(?<!:) )?[\w.$]+\+0x[0-9a-f]+\/0x/;

/** The halves of a header that may have been broken in two. */
interface Halves {
  /** The line with the beginning of the header, and whether it has printk's stamp. */
  readonly text: string;
  readonly fromKernel: boolean;
  /** The line below the first half. */
  readonly more: string;
}

/**
 * Joins the halves of a header that a mail program or a terminal broke in two. Returns the header as one line, or undefined when
 * the two lines are no halves of a header.
 */
export function joinHeader(halves: Halves, headerAt: HeaderTest): string | undefined {
  const { text, fromKernel, more } = halves;
  const start = text.trimEnd();
  const own = headerAt(text, fromKernel);
  const spaced = `${start} ${more.trimStart()}`;
  const direct = text + more;
  // A header that is whole on the line below is not broken, even when the end of the line above would fit its beginning.
  const below = headerAt(more, fromKernel);
  const better = [spaced, direct].find((whole) => {
    const header = headerAt(whole, fromKernel);
    const most = own?.rank ?? Number.POSITIVE_INFINITY;
    if (header === undefined) return false;
    if (below?.rank === header.rank && below.rule === header.rule) return false;
    return header.at < start.length && header.rank < most;
  });
  if (better !== undefined || own === undefined) return better;
  const order = afterPlace.test(start) ? [spaced, direct] : [direct, spaced];
  return order.find((whole) => completes(own, halves, whole));
}

/** True when the whole header has the detail or the function that its rule looks for, and neither half has it. */
function completes({ rule, at }: HeaderPlace, { text, more }: Halves, whole: string): boolean {
  const { detail, frame } = rule ?? {};
  if (detail) return detail.test(whole) && !detail.test(text) && !detail.test(more);
  if (frame?.from.includes('header') !== true || !symbolFirst.test(more)) return false;
  return !frameWithin(text.slice(at)) && frameWithin(whole.slice(at)) !== undefined;
}
