import type { Emit } from '../events.ts';
import type { SystemDisk } from './argv.ts';
import { ensureSystem } from './debian-system.ts';
import { ensureImage, type GuestImage } from './image.ts';
import { debianRelease } from './recipes.ts';

/** What a guest is made from, ready to boot. */
export interface MadeGuest extends GuestImage {
  /** Absent: its initramfs is all there is. */
  readonly systemDisk?: SystemDisk;
}

/** The guest of a name that `--guest` takes. A Debian is a disk behind the initramfs of the minimal guest. */
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
