import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere } from './disk.ts';
import { runTool } from './process.ts';

/** A file, and the shared libraries that the dynamic linker (ld.so(8)) must load for this file. */
export interface Linked {
  readonly file: string;
  /** The names of the shared libraries, as in DT_NEEDED. Empty for a static program, and for a file that is not ELF. */
  readonly needed: readonly string[];
}

/** The largest number of files in a command line of readelf. Their names then have some 100 KiB. */
const filesAtOnce = 200;

/** Returns the libraries that each file needs, from readelf(1). */
async function readLinked(
  files: readonly string[],
  signal: AbortSignal,
): Promise<readonly Linked[]> {
  const found: Linked[] = [];
  for (let at = 0; at < files.length; at += filesAtOnce) {
    const some = files.slice(at, at + filesAtOnce);
    const args = ['--dynamic', '--wide', '--', ...some];
    const { stdout } = await runTool('readelf', args, { signal, okCodes: [0, 1] });
    // With a single file, readelf prints no heading.
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
 * Returns the shared libraries that the programs need, directly or through other libraries. The key is the name of a library, the
 * value its path. Libraries are searched in `folders`, in order. Throws `tool` when no folder has a library; the message names the
 * library and a file that needs the library.
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
          throw new HarnessError('tool', `${file} needs ${name}, which is not installed`);
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
