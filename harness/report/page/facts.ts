import { type Content, html, type Markup } from './markup.ts';

/** A term and its explanation. */
export type Fact = readonly [term: string, content: Content];

export function facts(rows: readonly Fact[]): Markup {
  return html`<dl>${rows.map(([term, content]) => html`<dt>${term}</dt><dd>${content}</dd>`)}</dl>
`;
}

/** Returns a command line. No line break divides a flag, although a browser would break after the dashes of `--seed`. */
export function commandCode(command: string): Markup {
  const words = command
    .split(/( )/)
    .map((word) =>
      /^--?[a-z][a-z-]*$/.test(word) ? html`<span class="flag">${word}</span>` : word,
    );
  return html`<code>${words}</code>`;
}

/**
 * The end of a decoded line of a report: its places in the source, the innermost first, such as ` (mm/slab.h:715 <
 * mm/slub.c:3286)`.
 */
const decoded = / \([^()]+:\d+(?: < [^()]+:\d+)*\)$/;

/** Returns the first line of a report without places in the source. */
export function headline(line: string): string {
  return line.replace(decoded, '');
}

/**
 * Returns the place in the source of a function in a report, such as `drivers/gpu/drm/virtio/virtgpu_object.c:106`. Returns
 * undefined for an empty name, and when the report was not decoded or does not have the function.
 */
export function sourceOf(frame: string, report: readonly string[]): string | undefined {
  if (frame === '') return undefined;
  const line = report.find((one) => one.includes(`${frame}+0x`) && one.endsWith(')'));
  // The places of inlined functions come first, and the last place is in the function itself.
  return /(?:\(| < )([^()<> ]+:\d+)\)$/.exec(line ?? '')?.[1];
}
