import { type Content, html, type Markup } from './markup.ts';

/** A term and what it stands for. */
export type Fact = readonly [term: string, content: Content];

export function facts(rows: readonly Fact[]): Markup {
  return html`<dl>${rows.map(([term, content]) => html`<dt>${term}</dt><dd>${content}</dd>`)}</dl>
`;
}

/** What a decoded line of a report ends in: its places in the source, the innermost first. */
const decoded = / \([^()]+:\d+(?: < [^()]+:\d+)*\)$/;

/** The line that a report begins with, without its places. */
export function headline(line: string): string {
  return line.replace(decoded, '');
}

/** `drivers/gpu/drm/virtio/virtgpu_object.c:106`: where in a function, when a report was decoded. */
export function sourceOf(frame: string, report: readonly string[]): string | undefined {
  if (frame === '') return undefined;
  const line = report.find((one) => one.includes(`${frame}+0x`) && one.endsWith(')'));
  // What was inlined comes first; the last place is in the function itself.
  return /(?:\(| < )([^()<> ]+:\d+)\)$/.exec(line ?? '')?.[1];
}
