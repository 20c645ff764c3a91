/** The names that `--guest` takes. guests/minimal and guests/debian describe the content of these guests. */
export const guestNames = ['minimal', 'debian', 'debian:bookworm', 'debian:trixie'] as const;

/** The guest when the user names none. */
export const defaultGuest: (typeof guestNames)[number] = 'minimal';

/**
 * The codename of the Debian release that a guest runs: `trixie` for `debian:trixie`, `bookworm` for plain `debian`. Undefined
 * for a guest that is not a Debian.
 */
export function debianRelease(guest: string): string | undefined {
  if (guest === 'debian') return 'bookworm';
  const [name, codename] = guest.split(':');
  return name === 'debian' ? codename : undefined;
}
