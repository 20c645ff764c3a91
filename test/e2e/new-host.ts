import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const usualCache = process.env['SPLAT_CACHE'] ?? join(homedir(), '.cache', 'splat');

/** Makes a new cache that has only Debian's package lists: no source, and nothing that was built. */
export function newHost(dir: string): Readonly<Record<string, string>> {
  mkdirSync(dir);
  execFileSync('cp', ['-al', join(usualCache, 'apt'), join(dir, 'apt')]);
  return { SPLAT_CACHE: dir };
}
