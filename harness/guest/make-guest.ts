import type { Emit } from '../events.ts';
import type { SystemDisk } from './argv.ts';
import { ensureSystem } from './debian-system.ts';
import { ensureImage, type GuestImage } from './image.ts';
import { debianRelease } from './recipes.ts';

/** A guest that is ready to boot. */
export interface MadeGuest extends GuestImage {
  /** The disk of the guest's root. Absent: the initramfs is its root. */
  readonly systemDisk?: SystemDisk;
}

/**
 * Returns the guest with a name that `--guest` takes, from the cache or a shared store, or makes it. A Debian is a disk that the
 * initramfs of the minimal guest mounts; `packages` are added to it. The minimal guest takes no packages.
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
