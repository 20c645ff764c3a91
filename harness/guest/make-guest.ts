import type { Emit } from '../events.ts';
import type { SystemDisk } from './argv.ts';
import { ensureSystem } from './debian-system.ts';
import { ensureImage, type GuestImage } from './image.ts';
import { debianRelease } from './recipes.ts';

/** The image of a guest, and the disk with its root if it has one; it is ready to boot. */
export interface MadeGuest extends GuestImage {
  /** The disk with the guest's root file system. Absent: the initramfs is the root. */
  readonly systemDisk?: SystemDisk;
}

/**
 * Returns the guest that a value of `--guest` names. Takes it from the cache or a shared store, or makes it. A Debian guest is
 * the minimal guest with a disk that becomes its root; `packages` are installed on this disk, besides those of the recipe. The
 * minimal guest takes no packages.
 */
export async function ensureGuest(request: {
  readonly guest: string;
  readonly packages?: readonly string[];
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}): Promise<MadeGuest> {
  const image = await ensureImage('minimal', request);
  const release = debianRelease(request.guest);
  if (release === undefined) return image;
  const { packages = [] } = request;
  const systemDisk = await ensureSystem({ ...request, release, packages });
  return { ...image, id: `${image.id}+${systemDisk.id}`, systemDisk };
}
