import type { SeenSplat } from '../../records/finding.ts';
import { type Content, html } from './markup.ts';

/** The cycle that a report of lockdep is about, on one line. */
export function lockCycle({ locks }: SeenSplat): Content {
  const cycle = locks?.cycle ?? [];
  return cycle.length === 0
    ? null
    : html`<p>lock cycle: <code>${[...cycle, ...cycle.slice(0, 1)].join(' → ')}</code></p>
`;
}
