import type { Argv } from 'yargs';
import { HarnessError } from '../errors.ts';
import { debianRelease, defaultGuest, guestNames } from '../guest/recipes.ts';
import { debianNeeds, type Need } from '../host/packages.ts';

/** The flags that say which guest it is. */
export interface GuestArguments {
  readonly guest: string;
  readonly packages: string | undefined;
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
    });
}

/** Names of packages (Debian policy, 5.6.7). */
const packageName = /^[a-z0-9][a-z0-9+.-]+$/;

/** The guest that is asked for. Throws `usage` for what is no name of a package, and for packages of a guest that is no Debian. */
export function askedGuest({ guest, packages }: GuestArguments): {
  readonly guest: string;
  readonly packages?: readonly string[];
} {
  if (packages === undefined) return { guest };
  if (debianRelease(guest) === undefined) {
    throw new HarnessError('usage', `--packages ${packages}: for --guest debian`);
  }
  const names = packages.split(',');
  const wrong = names.find((name) => !packageName.test(name));
  if (wrong !== undefined) {
    throw new HarnessError('usage', `--packages ${packages}: "${wrong}" is no name of a package`);
  }
  return { guest, packages: [...new Set(names)].toSorted() };
}

/** What a host needs for a guest besides what all need. */
export function guestNeeds({ guest }: GuestArguments): readonly Need[] {
  return debianRelease(guest) === undefined ? [] : debianNeeds;
}
