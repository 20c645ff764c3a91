import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HarnessError } from '../errors.ts';

/** The folder of the package, where kernel-configs/, patches/ and guests/ are: the same for the sources and what is compiled. */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'kernel-configs'))) {
    const parent = dirname(dir);
    if (parent === dir) throw new HarnessError('internal', 'kernel-configs/ is not in the package');
    dir = parent;
  }
  return dir;
}
