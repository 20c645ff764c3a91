import type { SeenSplat } from '../../records/finding.ts';
import { type Content, html } from './markup.ts';

/** Returns the cycle of a lockdep report, on one line. Returns null for other reports. */
export function lockCycle({ locks }: SeenSplat): Content {
  const cycle = locks?.cycle ?? [];
  return cycle.length === 0
    ? null
    : html`<p>lock cycle: <code>${[...cycle, ...cycle.slice(0, 1)].join(' → ')}</code></p>
`;
}
