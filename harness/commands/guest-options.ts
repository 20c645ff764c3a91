import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import { defaultGpu, type GpuDevice, gpuDevice, gpuNames } from '../guest/devices.ts';
import { debianRelease, defaultGuest, guestNames } from '../guest/recipes.ts';
import { debianNeeds, type Need, windowNeeds } from '../host/packages.ts';
import { hostRenderNode } from '../host/render-node.ts';

/** The flags that say which guest it is. */
export interface GuestArguments {
  readonly guest: string;
  readonly packages: string | undefined;
  readonly gpu: GpuDevice['name'];
}

export function guestChoice<T>(yargs: Argv<T>) {
  return yargs
    .option('guest', {
      choices: guestNames,
      default: defaultGuest,
      describe: 'what runs on the kernel: an initramfs of ours, or a Debian',
    })
    .option('packages', {
      string: true,
      requiresArg: true,
      describe: 'A,B: packages that a guest of Debian has besides its own',
    })
    .option('gpu', {
      choices: gpuNames,
      default: defaultGpu.name,
      describe: 'virtio shows what the guest draws; virgl draws for it, and each trial boots',
    });
}

/** Names of packages (Debian policy, 5.6.7). */
const packageName = /^[a-z0-9][a-z0-9+.-]+$/;

/** The guest that is asked for. Throws `usage` for what is no name of a package, and for packages of a guest that is no Debian. */
export function requestedGuest({
  guest,
  packages,
  gpu,
}: Pick<GuestArguments, 'guest' | 'packages'> & Partial<GuestArguments>): {
  readonly guest: string;
  readonly gpu?: GpuDevice['name'];
  readonly packages?: readonly string[];
} {
  const device = gpu === undefined || gpu === defaultGpu.name ? {} : { gpu };
  if (packages === undefined) return { guest, ...device };
  if (debianRelease(guest) === undefined) {
    throw new HarnessError('usage', `--packages ${packages}: for --guest debian`);
  }
  const names = packages.split(',');
  const wrong = names.find((name) => !packageName.test(name));
  if (wrong !== undefined) {
    throw new HarnessError('usage', `--packages ${packages}: "${wrong}" is no name of a package`);
  }
  return { guest, ...device, packages: [...new Set(names)].toSorted() };
}

/** What a host needs for a guest besides what all need. */
export async function guestNeeds({ guest, gpu }: GuestArguments): Promise<readonly Need[]> {
  const { needs } = gpuDevice(gpu, await hostRenderNode());
  const system = debianRelease(guest) === undefined ? [] : debianNeeds;
  return needs === 'window' ? [...system, ...windowNeeds] : system;
}
