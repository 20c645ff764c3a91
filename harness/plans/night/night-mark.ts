import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, readIfThere, writeWhole } from '../../host/disk.ts';

/**
 * The file in a night's folder that has the night's name as soon as the night begins. `night.json` follows when the
 * night has ended.
 */
export const markFile = 'night.mark';

/** Marks a folder as that of a night, and makes the folder when it is missing. */
export async function markFolder(dir: string, night: string): Promise<void> {
  await makeFolder(dir);
  await writeWhole(join(dir, markFile), `${night}\n`);
}

/** True when the folder has the mark of this night. */
export async function isMarked(dir: string, night: string): Promise<boolean> {
  const file = await readIfThere(open(join(dir, markFile), 'r'));
  if (file === undefined) return false;
  await using opened = file;
  // Only 100 bytes are read: a mark is shorter, so a longer file is no mark.
  const { bytesRead, buffer } = await opened.read(Buffer.alloc(100), 0, 100, 0);
  return buffer.toString('utf8', 0, bytesRead) === `${night}\n`;
}
