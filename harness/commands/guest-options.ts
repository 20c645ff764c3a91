import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import { defaultGpu, type GpuDevice, gpuDevice, gpuNames } from '../guest/devices.ts';
import { debianRelease, defaultGuest, guestNames } from '../guest/recipes.ts';
import { debianNeeds, type Need, toolsNeeds, windowNeeds } from '../host/packages.ts';
import { hostRenderNode } from '../host/render-node.ts';
import { debianPackageSchema } from '../records/run-request.ts';
import { checkValue } from '../records/schema.ts';
import { isForeignName } from '../trial/choose-workloads.ts';

/** The flags that choose the guest. */
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
      describe:
        "the root file system of the guest: minimal is an initramfs of splat's own, the others are Debian systems",
    })
    .option('packages', {
      string: true,
      requiresArg: true,
      describe: 'A,B: further Debian packages to install in a Debian guest',
    })
    .option('gpu', {
      choices: gpuNames,
      default: defaultGpu.name,
      describe:
        'the virtual GPU, none for no GPU: with virtio the guest renders on its CPUs; with virgl, venus and native-context the host renders, and every trial boots its own guest',
    });
}

/**
 * Returns the guest that the user chose. Throws `usage` for an invalid package name, and for packages of a guest that is not
 * a Debian.
 */
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
    throw new HarnessError(
      'usage',
      `--packages ${packages} is only valid with a Debian guest (--guest debian)`,
    );
  }
  const names = packages.split(',');
  const wrong = names.find((name) => !checkValue(debianPackageSchema, name).isRight);
  if (wrong !== undefined) {
    throw new HarnessError(
      'usage',
      `--packages ${packages}: "${wrong}" is not a valid package name`,
    );
  }
  return { guest, ...device, packages: [...new Set(names)].toSorted() };
}

/**
 * Returns the Debian packages that the host needs for this guest and these workloads, besides the packages that every run needs.
 */
export async function guestNeeds(
  { guest, gpu }: Pick<GuestArguments, 'guest' | 'gpu'>,
  workloads: readonly string[] = [],
): Promise<readonly Need[]> {
  const { needs } = gpuDevice(gpu, await hostRenderNode());
  const others = trialNeeds([guest], workloads);
  return needs === 'window' ? [...others, ...windowNeeds] : others;
}

/**
 * The Debian packages that the host needs for trials with these guests and workloads, besides the packages that every run needs.
 * The default guest and splat's own workloads need no further packages.
 */
function trialNeeds(guests: readonly string[], workloads: readonly string[]): readonly Need[] {
  return [
    ...(guests.some((guest) => debianRelease(guest) !== undefined) ? debianNeeds : []),
    ...(workloads.some(isForeignName) ? toolsNeeds : []),
  ];
}

/** Returns the Debian packages that the host needs for the guests and workloads of a night's cells, from trialNeeds(). */
export function cellNeeds(
  cells: readonly { readonly guest: string; readonly workload: string }[],
): readonly Need[] {
  return trialNeeds(
    cells.map(({ guest }) => guest),
    cells.map(({ workload }) => workload),
  );
}
