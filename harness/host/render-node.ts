import { access, constants, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere } from './disk.ts';

const folder = '/dev/dri';

/**
 * Returns the first render node of the host's GPUs that this user may read and write, such as `/dev/dri/renderD128`. Returns
 * undefined when no render node can be used.
 */
export async function hostRenderNode(): Promise<string | undefined> {
  const names = (await readIfThere(readdir(folder))) ?? [];
  for (const name of names.filter((one) => one.startsWith('renderD')).toSorted()) {
    const path = join(folder, name);
    const usable = await access(path, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  return undefined;
}
