import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere } from './disk.ts';
import { runTool } from './process.ts';

/** What a program needs of a dynamic linker (ld.so(8)). */
export interface Linked {
  readonly file: string;
  /** Names of shared libraries, as in DT_NEEDED; empty for what is linked static or is no program. */
  readonly needed: readonly string[];
}

/** Names of a command line are at most some 100 KiB in all. */
const filesAtOnce = 200;

/** What each of the files needs, of readelf(1); files that are no ELF need nothing. */
async function readLinked(
  files: readonly string[],
  signal: AbortSignal,
): Promise<readonly Linked[]> {
  const found: Linked[] = [];
  for (let at = 0; at < files.length; at += filesAtOnce) {
    const some = files.slice(at, at + filesAtOnce);
    const args = ['--dynamic', '--wide', '--', ...some];
    const { stdout } = await runTool('readelf', args, { signal, okCodes: [0, 1] });
    // With one file it prints no heading.
    const text = some.length === 1 ? `\nFile: ${some.join('')}\n${stdout}` : stdout;
    for (const part of text.split(/^File: /m).slice(1)) {
      const file = part.slice(0, part.indexOf('\n'));
      const needed = [...part.matchAll(/\(NEEDED\).*\[([^\]/]+)\]$/gm)].map(
        ([, name = '']) => name,
      );
      found.push({ file, needed });
    }
  }
  return found;
}

/**
 * Paths of the shared libraries that programs need, and those need, by their names. `folders` are searched in their order.
 * Throws `tool` for a library that is in none, with the name of one program that needs it.
 */
export async function collectLibraries(
  programs: readonly string[],
  folders: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  let open = await readLinked(programs, signal);
  while (open.length > 0) {
    const fresh = new Map<string, string>();
    for (const { file, needed } of open) {
      for (const name of needed) {
        if (found.has(name) || fresh.has(name)) continue;
        const path = await findIn(folders, name);
        if (path === undefined)
          throw new HarnessError('tool', `${file} needs ${name}, which is not there`);
        fresh.set(name, path);
      }
    }
    for (const [name, path] of fresh) found.set(name, path);
    open = await readLinked([...fresh.values()], signal);
  }
  return found;
}

async function findIn(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    if ((await readIfThere(stat(path)))?.isFile() === true) return path;
  }
  return undefined;
}
