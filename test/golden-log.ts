import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../harness/records/finding.ts';
import { scanLog } from '../harness/splat/scanner.ts';

/**
 * Reads a log of golden/logs/. It starts with headers, `NAME: value`, then an empty line, then the raw log. TITLE, TYPE (the
 * class), FRAME, CORRUPTED and KIND describe the log's first finding, where splats come before events; a log without findings has
 * no TITLE. ORIGIN says whether one of our kernels printed the log (`captured`) or a person wrote it (`written`).
 * `tap --snapshot test/golden` rewrites all headers except ORIGIN.
 */
export interface GoldenLog {
  readonly headers: ReadonlyMap<string, string>;
  readonly log: string;
}

export const folder = join(import.meta.dirname, 'golden/logs');
export const files = readdirSync(folder).filter((name) => name.endsWith('.log'));

export function readGolden(name: string): GoldenLog {
  const content = readFileSync(join(folder, name), 'latin1');
  const split = content.indexOf('\n\n');
  const rows = content.slice(0, split).split('\n');
  const headers = rows.map((row): [string, string] => {
    const colon = row.indexOf(':');
    return [row.slice(0, colon), row.slice(colon + 1).trim()];
  });
  return { headers: new Map(headers), log: content.slice(split + 2) };
}

export function scan(latin1: string): Finding[] {
  return scanLog(Buffer.from(latin1, 'latin1'));
}

export function describe(findings: readonly Finding[]): [string, string][] {
  const first = findings.find((finding) => finding.kind === 'splat') ?? findings[0];
  if (!first) return [];
  return [
    ['TITLE', first.title],
    ['TYPE', first.class],
    ['FRAME', first.frame],
    ['CORRUPTED', first.corrupted ? 'yes' : 'no'],
    ['KIND', first.kind],
  ];
}
