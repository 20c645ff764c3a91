import type { LockNews } from '../records/lock-order.ts';
import { plain } from './plain.ts';

/**
 * The kinds of edges in a picture of lock dependencies: known before, learned by this kernel, hidden from lockdep, and the missing
 * edge that would close a cycle.
 */
type EdgeKind = 'known' | 'learned' | 'hidden' | 'missing';

const looks: Readonly<Record<EdgeKind, string>> = {
  known: 'color="#888888"',
  learned: 'color="#0072b2" penwidth=2.5',
  hidden: 'color="#d55e00" penwidth=2.5',
  missing: 'color="#d55e00" style=dashed label="would close it" fontcolor="#d55e00"',
};

/** The largest number of edges: a larger graph is unreadable and takes graphviz minutes. */
const drawnEdges = 300;

/**
 * Draws new lock dependencies, the cycles that they close or nearly close, and the cycles that lockdep cannot find, as SVG. Returns
 * null when there is nothing to draw, and for more than 300 edges.
 */
export async function drawLocks(locks: LockNews | null): Promise<string | null> {
  const dot = locks === null ? null : locksDot(locks);
  if (dot === null) return null;
  // The module is large, so it is loaded only when needed.
  const { Graphviz } = await import('@hpcc-js/wasm-graphviz');
  const graphviz = await Graphviz.load();
  return graphviz.dot(dot);
}

/** Returns the lock dependencies as a graph in graphviz' language. Returns null when there are no edges, or more than 300 edges. */
export function locksDot({ learned, unreported }: LockNews): string | null {
  const edges = new Map<string, EdgeKind>();
  const note = (path: readonly string[], kind: EdgeKind): void => {
    for (const [at, from] of path.slice(0, -1).entries()) {
      const key = `${quote(from)} -> ${quote(path[at + 1] ?? '')}`;
      if (!edges.has(key)) edges.set(key, kind);
    }
  };
  for (const { from, to } of learned ?? []) note([from, to], 'learned');
  for (const { cycle, almost, to } of learned ?? []) {
    if (cycle !== undefined) note([...cycle, ...cycle.slice(0, 1)], 'known');
    if (almost === undefined) continue;
    note(almost, 'known');
    note([to, almost[0] ?? ''], 'missing');
  }
  for (const { cycle } of unreported) note([...cycle, ...cycle.slice(0, 1)], 'hidden');
  if (edges.size === 0 || edges.size > drawnEdges) return null;
  const lines = [...edges].map(([edge, kind]) => `  ${edge} [${looks[kind]}];`);
  return [
    'digraph locks {',
    '  rankdir=LR; node [shape=box fontname="Courier,monospace" fontsize=11]; edge [fontname="sans-serif" fontsize=10];',
    ...lines,
    '}',
    '',
  ].join('\n');
}

function quote(name: string): string {
  return `"${plain(name).replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
