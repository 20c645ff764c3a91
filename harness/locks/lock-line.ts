import type { LockSite } from '../records/lock-graph.ts';

/** A lock in a line of a report, `ffff888 (&s->lock){+.+.}-{2:2}, at: evict+0x90/0x334`. A part that the line lacks is absent. */
export interface LockMention {
  readonly name: string;
  readonly usage?: string;
  readonly waitTypes?: string;
  readonly site?: LockSite;
}

const mention = /\((.+)\)\{([^}]{4,8})\}(?:-\{(\d+:\d+)\})?/;
const bareMention = /lock \((.+)\) at:/;
const call = /(?:^|[\s\]])([A-Za-z_][\w.]*)\+(0x[0-9a-f]+)\/(0x[0-9a-f]+)/;

/** Reads the first call site, `evict+0x90/0x334`, that a text contains; undefined when the text has no call site. */
export function readSite(text: string): LockSite | undefined {
  const match = call.exec(text);
  if (!match) return undefined;
  const symbol = match[1] ?? '';
  return {
    function: symbol.replace(/\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)*.*$/, ''),
    symbol,
    offset: Number.parseInt(match[2] ?? '', 16),
    size: Number.parseInt(match[3] ?? '', 16),
  };
}

/**
 * The lock that a line mentions; undefined when the line mentions no lock. `text` is a line of the report without printk's stamp.
 */
export function readMention(text: string): LockMention | undefined {
  const match = mention.exec(text);
  if (!match) {
    const bare = bareMention.exec(text);
    return bare ? { name: bare[1] ?? '' } : undefined;
  }
  const at = /\bat: (.*)/.exec(text.slice(match.index + match[0].length));
  const site = at ? readSite(at[1] ?? '') : undefined;
  return {
    name: match[1] ?? '',
    usage: match[2] ?? '',
    ...(match[3] !== undefined && { waitTypes: match[3] }),
    ...(site && { site }),
  };
}

/**
 * A class name that is the same in every boot: `&syncp->seq#2` loses its `#2`, `(wq_completion)wg-kex-wg1#8` its device
 * number. Nesting levels stay: `&rq->lock/1` is another class than `&rq->lock`.
 */
export function canonicalLockName(name: string): string {
  const base = name.replace(/#\d+/g, '');
  return base.startsWith('(wq_completion)') ? base.replace(/\d+/g, 'N') : base;
}
