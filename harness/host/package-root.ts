import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HarnessError } from '../errors.ts';

/**
 * Returns the folder of splat's package, which contains kernel-configs/, patches/ and guests/. The sources and the compiled program
 * get the same folder. Throws `internal` when no folder above this file has kernel-configs/.
 */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'kernel-configs'))) {
    const parent = dirname(dir);
    if (parent === dir)
      throw new HarnessError(
        'internal',
        'the package of splat is incomplete: it has no kernel-configs/',
      );
    dir = parent;
  }
  return dir;
}

/** Returns the version in splat's package.json: `0.1.0`. */
export function packageVersion(): string {
  const file = join(packageRoot(), 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
  return version;
}

/**
 * Returns the command that a person types to start this copy of splat: `./splat` in a checkout, `splat` from an installed package.
 */
export function typedCommand(): string {
  return existsSync(join(packageRoot(), 'harness', 'cli.ts')) ? './splat' : 'splat';
}
