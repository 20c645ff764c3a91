import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';

/**
 * Throws `usage` when the folder `inputs/` of a run's folder `dir`, or something below it, is neither a regular file nor a folder
 * nor a link that stays inside `inputs/`. A stranger may have made the folder: through a link, splat would read and copy files of
 * this host, and on a pipe splat would wait forever. A run without `inputs/` is accepted, because it read no file.
 */
export async function requirePlainInputs(dir: string): Promise<void> {
  const top = join(dir, 'inputs');
  const found = await readIfThere(lstat(top));
  if (found === undefined) return;
  if (!found.isDirectory()) throw refused(dir, 'inputs', 'not a folder');
  const inside = `${await realpath(top)}${sep}`;
  const look = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(dir, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await look(path);
      else if (entry.isSymbolicLink()) {
        const target = await realpath(join(dir, path)).catch(() => '');
        if (!target.startsWith(inside)) throw refused(dir, path, 'a link out of inputs/');
      } else if (!entry.isFile()) throw refused(dir, path, 'not a regular file');
    }
  };
  await look('inputs');
}

function refused(dir: string, path: string, why: string): HarnessError {
  return new HarnessError('usage', `${dir} cannot be replayed: its ${path} is ${why}`);
}
