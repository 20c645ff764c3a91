import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere } from './disk.ts';
import { runTool } from './process.ts';

/** A file, and the libraries that the dynamic linker must load for this file (ld.so(8)). */
export interface Linked {
  readonly file: string;
  /** The names of the shared libraries, as in DT_NEEDED. Empty for a static program, and for a file that is not a program. */
  readonly needed: readonly string[];
}

/** The largest number of files in one command line of readelf: some 100 KiB of names. */
const filesAtOnce = 200;

/** The libraries of each file, from readelf(1). A file that is not ELF needs none. */
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
 * The shared libraries that the programs need, directly or through other libraries. The key is the name of a library, the value
 * its path. A library is searched in `folders`, in order. Throws `tool` for a library that no folder has; the message names a
 * file that needs it.
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
